"""A server that has nearly no file descriptors left: newcomers are sent away, the log says so, and it recovers by itself."""

import os
import smtplib
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.server import REPOSITORY

_WAIT = 60.0  # seconds, of real processes
_FILES = 140
CONFIG = """
[[listener]]
protocol = "smtp"
port = {port}
[smtp]
greet_pause = 0.0
[greylist]
enabled = false
[store]
free_space_floor = 0
inode_floor = 0
"""


def test_it_goes_on_when_there_are_some_again(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    (tmp_path / "config.toml").write_text("demo = true\n" + CONFIG.format(port=port))
    err = tmp_path / "err"
    with err.open("wb") as log:
        process = subprocess.Popen(
            ["prlimit", f"--nofile={_FILES}:{_FILES}", sys.executable, "-m", "mailhub", "serve", "--config",
             str(tmp_path / "config.toml")],
            cwd=REPOSITORY, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"data "):
                break
        clients = [socket.create_connection(("127.0.0.1", port), timeout=_WAIT) for _ in range(_FILES + 20)]
        assert clients[0].recv(100).startswith(b"220 ")
        for _ in range(1_200):  # a minute at the most
            if b"a connection is refused: 140 files may be open, and nearly all are" in err.read_bytes():
                break
            assert process.poll() is None
            subprocess.run(["sleep", "0.05"], check=True)
        else:
            raise AssertionError(err.read_text())
        for client in clients:
            client.close()
        with _let_in(port) as smtp:
            assert smtp.sendmail("a@example.org", ["alice@mailhub.test"], "Subject: x\r\n\r\ny\r\n") == {}
        process.terminate()
        assert process.wait(_WAIT) == 0
    finally:
        process.kill()
        process.wait(_WAIT)


def _let_in(port: int) -> smtplib.SMTP:
    """Once the server has seen that the others are gone."""
    for _ in range(1_200):
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=_WAIT)
        except smtplib.SMTPConnectError as error:
            if error.smtp_code != 421:
                raise
            time.sleep(0.05)
    raise AssertionError("it lets nobody in any more")
