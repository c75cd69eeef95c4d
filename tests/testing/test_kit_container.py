"""The container: built from the Dockerfile, healthy, used by a mail client, stopped, and started again on the same data."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.container import Image, missing

SEND = """
import smtplib, sys
with smtplib.SMTP("127.0.0.1", 1025) as client:
    client.sendmail("app@example.test", ["bob@example.test"], f"Subject: {sys.argv[1]}\\r\\n\\r\\nhello\\r\\n")
"""
SUBJECTS = """
import imaplib
with imaplib.IMAP4("127.0.0.1", 1143) as client:
    client.login("bob@example.test", "any")
    client.select()
    print(client.fetch("1:*", "BODY[HEADER.FIELDS (SUBJECT)]")[1])
"""
READY = """
import time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:8025/health", timeout=5)
        break
    except OSError:
        time.sleep(0.01)
print(time.monotonic())
"""
SEARCH = """
import sys, urllib.parse, urllib.request
subject = urllib.parse.quote(sys.argv[1])
print(urllib.request.urlopen(f"http://127.0.0.1:8025/api/v1/search?query=subject:{subject}", timeout=5).read().decode())
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if lacking := missing():
        pytest.skip(f"no container is built without {', '.join(lacking)}")
    made = Image(tmp_path_factory.mktemp("image"))
    try:
        made.build()
        yield made
    finally:
        made.remove()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_container_from_build_to_restart(image: Image, tmp_path: Path) -> None:
    assert image.configuration["User"] == "65532:65532"
    assert "/data" in image.configuration["Volumes"]
    data = tmp_path / "data"
    data.mkdir()
    began = time.monotonic()
    with image.running(data, MAILHUB_DATA="/data") as container:
        ready = container.probe(READY)
        assert not ready.returncode, container.log + ready.stderr
        print(f"ready after {float(ready.stdout) - began:.2f} s")
        assert container.healthy()
        assert container.owner == 65532
        assert "Read-only file system" in container.program("touch", "/opt/mailhub/x").stderr
        sent = container.probe(SEND, "kept")
        assert not sent.returncode, sent.stderr
        assert '"kept"' in container.probe(SEARCH, "kept").stdout
        assert container.stop() == 0
    with image.running(data, MAILHUB_DATA="/data") as container:
        assert not container.probe(READY).returncode, container.log
        assert "Subject: kept" in container.probe(SUBJECTS).stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_container_that_keeps_nothing_is_told_all_by_its_environment(image: Image, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with image.running(data, MAILHUB_HOSTNAME="mail.example.test") as container:
        assert not container.probe(READY).returncode, container.log
        greeting = 'import smtplib; print(smtplib.SMTP().connect("127.0.0.1", 1025))'
        assert "mail.example.test" in container.probe(greeting).stdout
        assert not container.probe(SEND, "gone").returncode
        assert container.stop() == 0
    assert list(data.iterdir()) == []
