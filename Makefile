# make run, make test: each sets up all it needs. PYTHON=/path/to/python3.13 chooses the interpreter.

PYTHON = python3
VERSION = import sys; print(*sys.version_info[:2], sep=".")
VENV := $(if $(filter file,$(origin PYTHON)),.venv,.venv-$(shell $(PYTHON) -c '$(VERSION)' 2>/dev/null))
BIN = $(VENV)/bin
SECOND = 3.13# `make test` runs the fast tests with this version too, where it is found
WORKERS = 2
MINUTES = 5
ROUNDS = 5

.PHONY: man run peers test lint fresh systemd deb flake fuzz soak cluster imap-stress bench bench-short profile bench-junk bench-queue bench-cluster screenshots crash lock setup packages second clean help
.NOTPARALLEL:

run:  ## serve on ./config.toml
	@scripts/venv $(PYTHON) $(VENV) requirements/run.txt
	@exec $(BIN)/python -m mailhub

test: setup packages lint second  ## lint, types and all tests
	$(BIN)/python -m pytest -q -n $(WORKERS) $(TESTS)

lint: setup  ## style, types, and the rules by which rooms import each other
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	$(BIN)/python -m pytest -q tests/architecture

fuzz: setup  ## sessions, grammars and the reader of messages against anything, for MINUTES=5; `make test` does it in short
	@scripts/fuzz $(BIN)/python $(MINUTES)

soak: setup  ## a server under load, faults and kills, and an audit, for MINUTES=60; `make test` does a minute
	$(BIN)/python -m bench.soak --minutes $(if $(filter file,$(origin MINUTES)),60,$(MINUTES))

cluster: setup packages  ## three mailhubs on three Galera servers, killed, stalled and cut off in turn, and upgraded behind haproxy, ROUNDS=5; `make test` does one round
	MAILHUB_CLUSTER_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -q -s tests/e2e/test_cluster.py tests/e2e/test_cluster_upgrade.py

imap-stress: setup  ## 20 IMAP clients on one folder that check every line they are told, for MINUTES=5
	IMAP_STRESS_MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -s -p no:logging tests/protocols/imap/test_imap_stress.py

flake: setup  ## 1,000 tests with a fresh server each, 20 times; `make test` does 200 once
	@mkdir -p bench/out && : >bench/out/flake.txt
	@for run in $$(seq 20); do MAILHUB_FLAKE=1000 MAILHUB_FLAKE_FIGURES=bench/out/flake.txt \
		$(BIN)/python -m pytest -q -n $(WORKERS) tests/testing/test_kit_flake.py || exit 1; done
	@cat bench/out/flake.txt

fresh: setup  ## README's commands in a new Debian root; `make test` does `make run` alone
	MAILHUB_FRESH=1 $(BIN)/python -m pytest -q tests/e2e/test_fresh_debian.py

systemd: setup  ## mailhub's unit under a real systemd, in a new Debian root; some minutes
	MAILHUB_SYSTEMD=1 $(BIN)/python -m pytest -q -n 0 tests/e2e/test_systemd.py

deb: setup  ## a Debian package, into dist/
	@scripts/deb $(BIN)/python dist

bench: setup packages  ## measure beside Debian's Postfix and Dovecot; writes bench/out/bench.json, and charts into docs/images
	$(BIN)/python -m bench
	$(BIN)/python -m bench.charts bench/out/bench.json

peers:  ## pymap and Haraka into .peers/, for the bench to measure beside us
	$(PYTHON) -m venv .peers/pymap && .peers/pymap/bin/pip install --quiet pymap
	npm install --silent --no-audit --no-fund --prefix .peers/haraka haraka

bench-short: setup packages  ## the same in two minutes
	$(BIN)/python -m bench --short

profile: setup  ## flame graphs of SMTP and relay by stage into bench/out/profile
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m bench.profile

bench-junk: setup  ## how well the junk filter tells generated junk from good mail
	$(BIN)/python -m bench.junk

bench-queue: setup  ## a million deferred messages, a mailing beside other mail, one message of 100 MB; some minutes
	$(BIN)/python -m bench.queue_million
	$(BIN)/python -m bench.charts bench/out/queue_million.json
	$(BIN)/python -m bench.queue_fairness
	$(BIN)/python -m bench.large_message

screenshots: setup packages  ## the pages as they look now, in docs/images/
	$(BIN)/python scripts/screenshots

bench-cluster: setup packages  ## what a message costs a Galera cluster, and how many one, two and three nodes take, and how that grows
	$(BIN)/python -m bench.cluster --json bench/out/cluster.json
	$(BIN)/python -m bench.cluster_growth bench/out/cluster.json

crash: setup  ## queue and mailbox through thousands of crashes, and kill -9, some minutes; writes docs/DURABILITY.md
	@mkdir -p bench/out && : >bench/out/crash.jsonl
	MAILHUB_CRASH_LIVES=300 MAILHUB_CRASH_FIGURES=bench/out/crash.jsonl $(BIN)/python -m pytest -q -s -p no:logging --timeout 1800 \
		tests/queue/test_queue_crash_matrix.py tests/store/test_mailbox_crash_matrix.py \
		tests/e2e/test_kill.py tests/e2e/test_imap_kill.py 2>/dev/null
	$(BIN)/python scripts/durability bench/out/crash.jsonl >docs/DURABILITY.md

lock:  ## choose versions anew, within the bounds of pyproject.toml
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	.venv-lock/bin/uv pip compile --upgrade $(LOCK) -o requirements/run.txt pyproject.toml
	.venv-lock/bin/uv pip compile --upgrade $(LOCK) -o requirements/dev.txt -c requirements/run.txt --group dev pyproject.toml

# Valid for every supported version and machine; no index addresses and no paths in the files.
LOCK = --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

man: setup  ## manual pages into man/, from the text of --help
	@PYTHONPATH=. $(BIN)/python scripts/man man

setup:
	@scripts/venv $(PYTHON) $(VENV) requirements/dev.txt

packages:
	@scripts/debian $$(cat tests/debian-packages.txt)
	@scripts/unpack .debian exim4-daemon-light monitoring-plugins-common monitoring-plugins-standard

# What the newest supported version breaks shows in the tests of the rooms; whole servers are driven once, above.
second: setup
	@other=$$(scripts/other-python $(SECOND)); \
	if [ -z "$$other" ]; then echo "no Python $(SECOND) found: tests run on one version only"; \
	elif [ "$$($(BIN)/python -c '$(VERSION)')" != $(SECOND) ]; then \
		scripts/venv $$other .venv-$(SECOND) requirements/dev.txt && \
		.venv-$(SECOND)/bin/python -m pytest -q -n $(WORKERS) -m "not slow" --ignore=tests/e2e --ignore=tests/architecture; \
	fi

clean:
	rm -rf .debian .venv .venv-* .mypy_cache .ruff_cache .hypothesis bench/out

help:
	@sed -n 's/^\([a-z-]*\):.*##  */make \1: /p' Makefile
