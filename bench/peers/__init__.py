"""Other mail servers, set up with durable settings and tuned as their own manuals advise."""

import subprocess
from pathlib import Path

from bench.target import DOMAIN


def certificate(folder: Path) -> None:
    """cert.pem and key.pem for mx.example.test, signed by itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=mx.{DOMAIN}",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
