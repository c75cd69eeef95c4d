"""`mailhub reports`: sums as people read them, and as programs do; beside a server and without one."""

import json
from asyncio import to_thread
from email.message import EmailMessage
from pathlib import Path

from click.testing import CliRunner
from support.hubs import running, send

from mailhub.cli.root import root

BOX = "reports@mailhub.test"
DMARC = (
    "<feedback><report_metadata><org_name>Far</org_name><report_id>{n}</report_id><date_range><begin>1</begin><end>9999999999</end>"
    "</date_range></report_metadata><policy_published><domain>mailhub.test</domain><p>none</p></policy_published><record><row><source_ip>"
    "192.0.2.{n}</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>"
    "</row></record></feedback>"
)
TLS = {
    "organization-name": "Far\x1b[31m away",
    "date-range": {"start-datetime": "2100-01-01T00:00:00Z", "end-datetime": "2100-01-01T23:59:59Z"},
    "report-id": "1",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-domain": "mailhub.test"},
            "summary": {"total-successful-session-count": 40, "total-failure-session-count": 2},
            "failure-details": [{"result-type": "certificate-expired\x1b[2J", "failed-session-count": 2}],
        }
    ],
}


def letter(name: str, text: str) -> bytes:
    message = EmailMessage()
    message["From"] = "noreply@far.test"
    message.set_content("a report")
    message.add_attachment(text.encode(), maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


async def test_sums(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('data = "."\n')

    def run(*args: str, code: int = 0) -> str:
        done = CliRunner().invoke(root, ["--config", str(tmp_path / "config.toml"), "reports", *args])
        assert done.exit_code == code, done.output
        return done.output

    async with running(tmp_path, BOX) as hub:
        for n in (1, 2):
            await send(hub, "noreply@far.test", BOX, letter("a.xml", DMARC.format(n=n)))
        await send(hub, "noreply@far.test", BOX, letter("a.json", json.dumps(TLS)))
        await hub.queue.idle()
        dmarc = await to_thread(run, "dmarc", BOX)
        tls = await to_thread(run, "tls", BOX)
        found = json.loads(await to_thread(run, "dmarc", BOX, "--domain", "MAILHUB.test", "--json"))
        none = json.loads(await to_thread(run, "tls", BOX, "--domain", "other.test", "--json"))
        assert "no account" in await to_thread(run, "dmarc", "nobody@mailhub.test", code=3)
    lines = dmarc.splitlines()
    assert lines[0].startswith("2 reports of Far; 0 could not")
    assert [line.split() for line in lines[2:]] == [
        ["mailhub.test", f"192.0.2.{n}", "7", "7", "7", "0", "0", "0"] for n in (1, 2)
    ]
    assert tls.splitlines()[0].startswith(r"1 reports of Far\x1b[31m away; 0 could not")
    assert tls.splitlines()[2].split()[:4] == ["mailhub.test", "sts", "40", "2"]
    assert r"certificate-expired\x1b[2J 2" in tls
    assert (found["reports"], found["sources"][0]["messages"]) == (2, 7)
    assert (none["reports"], none["destinations"]) == (0, [])
    assert await to_thread(run, "dmarc", BOX) == dmarc, "without a server too"
