# mailhub as a container. `docker build -t mailhub .` makes the mail sink for development; see docs/testing.md and docs/operator.md.
# BASE: any image with Python 3.11 or newer and its venv module.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
RUN python3 -m venv /opt/mailhub && /opt/mailhub/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY mailhub mailhub
COPY examples/systemd examples/systemd
RUN /opt/mailhub/bin/pip install --no-cache-dir --no-deps . && /opt/mailhub/bin/python -m compileall -q /opt/mailhub

FROM ${BASE}
COPY --from=build /opt/mailhub /opt/mailhub
RUN mkdir /data && chown 65532:65532 /data
ENV PATH=/opt/mailhub/bin:$PATH PYTHONUNBUFFERED=1 MAILHUB_ADDRESS=0.0.0.0
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 1025 8025 1143 1110
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8025/health', timeout=2)"]
ENTRYPOINT ["mailhub"]
CMD ["dev"]
