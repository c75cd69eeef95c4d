"""Debian's unbound on loopback, with zones of its own: signed ones that it has the key to, and others."""

import contextlib
import datetime
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dns.dnssec
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import DSDigest
from dns.rdtypes.ANY.DNSKEY import DNSKEY

Records = Mapping[tuple[str, str], Sequence[str]]


class Signed:
    """A zone in a file, signed by a key made for it. `anchor`: what a resolver has to trust."""

    def __init__(self, name: str, records: Records) -> None:
        self.name = name
        lines = [f"@ 300 IN SOA ns.{name}. root.{name}. 1 3600 600 86400 60", f"@ 300 IN NS ns.{name}."]
        lines.append(f"ns.{name}. 300 IN A 127.0.0.1")
        for (owner, kind), values in records.items():
            lines += [f"{owner}. 300 IN {kind} {value}" for value in values]
        self._zone = dns.zone.from_text("\n".join(lines), origin=f"{name}.", relativize=False)

    def sign(self) -> str:
        """Sign it, and return the trust anchor."""
        private = ec.generate_private_key(ec.SECP256R1())
        key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
        real = DNSKEY(key.rdclass, key.rdtype, key.flags, key.protocol, key.algorithm, key.key)
        now = datetime.datetime.now(datetime.UTC)
        dns.dnssec.sign_zone(
            self._zone,
            keys=[(private, real)],
            add_dnskey=True,
            dnskey_ttl=300,
            inception=now - datetime.timedelta(hours=1),
            expiration=now + datetime.timedelta(days=1),
        )
        return f"{self.name}. DS {dns.dnssec.make_ds(f'{self.name}.', real, DSDigest.SHA256).to_text()}"

    def text(self) -> str:
        return str(self._zone.to_text(relativize=False))


@contextlib.contextmanager
def unbound(port: int, zones: Mapping[str, str], anchors: Sequence[str]) -> Iterator[str]:
    """Its "address:port". `zones`: their text by name; `anchors`: whom it trusts."""
    program = shutil.which("unbound", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("unbound is not installed")
    with tempfile.TemporaryDirectory(prefix="md") as name:
        folder = Path(name)
        config = [
            "server:", f"  interface: 127.0.0.1@{port}", "  do-daemonize: no", '  chroot: ""', '  username: ""', f'  directory: "{folder}"',
            '  pidfile: ""', "  use-syslog: no", '  logfile: ""', "  verbosity: 1", "  do-ip6: no", '  module-config: "validator iterator"',
            "  num-threads: 1", '  local-zone: "test." nodefault', *(f'  trust-anchor: "{anchor}"' for anchor in anchors),
            "remote-control:", "  control-enable: no",
        ]  # fmt: skip
        for zone, text in zones.items():
            (folder / zone).write_text(text)
            config += ["auth-zone:", f'  name: "{zone}."', f'  zonefile: "{folder / zone}"', "  for-downstream: no"]
            config += ["  for-upstream: yes", "  fallback-enabled: no"]
        (folder / "unbound.conf").write_text("\n".join(config) + "\n")
        command = [program, "-d", "-c", str(folder / "unbound.conf")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]})
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if "start of service" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
