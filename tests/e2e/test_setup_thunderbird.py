"""Debian's Thunderbird reads its set-up from us by its own code, as its wizard does."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from support.hubs import PASSWORD, running
from support.thunderbird import thunderbird

from mailhub.config.schema import Auth, Listener

pytestmark = pytest.mark.slow

ANN = "ann@a.test"
DOORS = (
    Listener(protocol="imap", tls="none", name="clear"),  # by which the program is led
    Listener(protocol="imap", tls="implicit"),
    Listener(protocol="pop3"),
    Listener(protocol="submission", tls="implicit"),
    Listener(protocol="submission"),
    Listener(protocol="http", tls="none"),
)
READ = """
const {JXON} = ChromeUtils.importESModule("resource:///modules/JXON.sys.mjs");
const {readFromXML} = ChromeUtils.importESModule("resource:///modules/accountcreation/readFromXML.sys.mjs");
const {AccountConfig} = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
const Parser = Services.wm.getMostRecentWindow("mail:3pane").DOMParser;
const found = readFromXML(JXON.build(new Parser().parseFromString(%s, "text/xml")), "isp-https");
AccountConfig.replaceVariables(found, "Ann", %s, "secret");
const told = s => [s.type, s.hostname, s.port, s.socketType, s.auth, s.username];
return [[found.incoming, ...found.incomingAlternatives].map(told), [found.outgoing, ...found.outgoingAlternatives].map(told)];
"""
TLS, STARTTLS, PASSWORD_IN_CLEAR = 3, 2, 3  # its words: nsMsgSocketType, nsMsgAuthMethod


async def test_it_takes_every_server_that_we_name(tmp_path: Path) -> None:
    options = {"hostname": "mail.a.test", "domains": ("a.test",), "listener": DOORS, "auth": Auth(allow_plaintext=True)}
    async with (
        asyncio.timeout(110),
        running(tmp_path / "var", ANN, **options) as hub,
        aiohttp.ClientSession() as session,
        thunderbird(tmp_path, hub.port("clear"), ANN, PASSWORD) as bird,
    ):
        url = f"http://127.0.0.1:{hub.port('http')}/.well-known/autoconfig/mail/config-v1.1.xml"
        async with session.get(url, params={"emailaddress": ANN}) as answer:
            text = await answer.text()
        incoming, outgoing = await bird.do(READ % (json.dumps(text), json.dumps(ANN)))
        host, login = "mail.a.test", (PASSWORD_IN_CLEAR, ANN)
        assert [tuple(one) for one in incoming] == [
            ("imap", host, hub.port("imaps"), TLS, *login),
            ("pop3", host, hub.port("pop3"), STARTTLS, *login),
        ]
        assert [tuple(one) for one in outgoing] == [
            ("smtp", host, hub.port("submissions"), TLS, *login),
            (
                "smtp",
                host,
                hub.port("submission"),
                STARTTLS,
                PASSWORD_IN_CLEAR,
                "%EMAILADDRESS%",
            ),  # filled in when chosen
        ]
