"""Administrators of one domain by HTTP: what they may do there, and that they get nothing else by any route."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.webmail import ANN, BOB, Browser, Site, site

from mailhub.config.queueing import Queue
from mailhub.config.relaying import TlsReports
from mailhub.config.schema import Delivery
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.control.delegated import ACTIONS as OPEN
from mailhub.control.scopes import ACTIONS, FOLLOWED, reads

API = "/api/mailhub/v1/"
EVE = "eve@a.test"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    """ann, of another domain, administers a.test; bob runs the server."""
    web = Web(admins=(BOB,), requests_per_minute=2_000, metrics_networks=())
    auth = Auth(allow_plaintext=True, failure_delay=0.0)
    async with site(tmp_path, web=web, auth=auth, delivery=Delivery(relayhost="[127.0.0.1]:1")) as made:
        await made.hub.directory.add_domain("a.test")
        await made.hub.directory.add_account(EVE, None)
        await made.hub.directory.add_admin("a.test", ANN)
        yield made


async def do(browser: Browser, action: str, status: int = 200, **fields: Any) -> Any:
    return await browser.ask("POST", API + action, status, json=fields)


async def test_who_signs_in_is_told_what_he_may(here: Site) -> None:
    told = await (await here.browser()).sign_in(ANN)
    assert (told["is_admin"], told["domains"], tuple(told["may"])) == (False, ["a.test"], OPEN)
    told = await (await here.browser()).sign_in(BOB)
    assert (told["is_admin"], told["domains"], told["may"]) == (True, [], [])


async def test_an_administrator_of_a_domain_runs_that_domain(here: Site) -> None:
    ann = await here.signed_in(ANN)
    assert [one["name"] for one in await ann.ask("GET", API + "domain.list")] == ["a.test"]
    await do(ann, "user.add", address="new@a.test", password="a new password")
    assert [one["address"] for one in await do(ann, "user.list")] == [EVE, "new@a.test"]
    await do(ann, "alias.add", address="info@a.test", targets=[EVE, "far@far.test"])
    await do(ann, "user.passwd", address=EVE, password="another password")
    for login, password in (("new@a.test", "a new password"), (EVE, "another password")):
        assert await here.hub.authenticator.authenticate(login, password, service="imap", client="192.0.2.1")


async def test_and_nothing_else(here: Site) -> None:
    ann = await here.signed_in(ANN)
    for action in ACTIONS.keys() - set(OPEN):
        await do(ann, action, 403)
        if reads(action):
            await ann.ask("GET", API + action, 403)
    for action in FOLLOWED:
        await ann.ask("GET", API + action, 403)
    for action, fields in {
        "user.passwd": {"address": BOB, "password": "mine now"},
        "user.add": {"address": "new@mailhub.test", "password": "mine now"},
        "alias.add": {"address": "@mailhub.test", "targets": [EVE]},
        "forward.set": {"address": BOB, "targets": [EVE]},
        "domain.admins": {"name": "mailhub.test", "add": ANN},
        "domain.add": {"name": "b.test"},
        "sieve.put": {"account": EVE, "name": "x", "text": "keep;"},
        "mailbox.check": {"address": EVE},
        "app-password.add": {"address": EVE, "name": "mine"},
        "trace.find": {"what": EVE},
        "status": {},
    }.items():
        await do(ann, action, 403, **fields)
    assert await here.hub.authenticator.authenticate(BOB, "mine now", service="imap", client="192.0.2.1") is None
    assert await here.hub.directory.admins("mailhub.test") == []


async def test_addresses_of_the_servers_own_mail_are_nobodys_to_make(tmp_path: Path) -> None:
    web, auth = Web(admins=(BOB,)), Auth(allow_plaintext=True, failure_delay=0.0)
    queue, reports = Queue(double_bounce_recipient="bounces@a.test"), TlsReports(contact="tls@a.test")
    async with site(tmp_path, web=web, auth=auth, queue=queue, tls_reports=reports) as here:
        await here.hub.directory.add_domain("a.test")
        for domain in ("a.test", "mailhub.test"):
            await here.hub.directory.add_admin(domain, ANN)
        ann = await here.signed_in(ANN)
        for name in ("bounces@a.test", "tls@a.test", "mailer-daemon@mailhub.test", "postmaster@mailhub.test"):
            await do(ann, "user.add", 403, address=name, password="mine")
        await do(ann, "user.add", address="other@mailhub.test", password="a new password")


async def test_a_change_needs_the_token_of_the_session(here: Site) -> None:
    ann = await here.signed_in(ANN)
    lost = {"X-CSRF-Token": ""}
    await ann.ask("POST", API + "user.add", 403, json={"address": "new@a.test", "password": "p"}, headers=lost)
    assert await here.hub.directory.account("new@a.test") is None


async def test_what_was_taken_away_is_gone_at_once(here: Site) -> None:
    ann = await here.signed_in(ANN)
    await do(ann, "user.list")
    await here.hub.directory.remove_admin("a.test", ANN)
    await do(ann, "user.list", 403)
    assert (await ann.own("GET", "session"))["domains"] == []


async def test_a_token_of_a_domain_is_held_to_it(here: Site) -> None:
    async def token(*scopes: str) -> dict[str, str]:
        made = await here.hub.control.perform(words.TokenAdd(name=" ".join(scopes), scopes=scopes))
        return {"Authorization": f"Bearer {made.token}"}

    program = await here.browser()
    writer, reader = await token("user:write@A.test"), await token("user:read@a.test", "*:read@b.test")
    await program.ask("POST", API + "user.add", json={"address": "new@a.test", "password": "p"}, headers=writer)
    for address in ("new@mailhub.test", BOB):
        await program.ask("POST", API + "user.add", 403, json={"address": address, "password": "p"}, headers=writer)
    found = await program.ask("GET", API + "user.list", headers=reader)
    assert [one["address"] for one in found] == [EVE, "new@a.test"]
    await program.ask("POST", API + "user.remove", 403, json={"address": EVE}, headers=reader)
    await program.ask("GET", API + "domain.list", 403, headers=writer)
    assert await program.ask("GET", API + "domain.list", headers=reader) == []
    everything = await token("*:write@a.test")
    for path in ("/metrics", API + "log.follow", API + "trace.follow", API + "status", API + "queue.summary"):
        await program.ask("GET", path, 403, headers=everything)
    assert await program.ask("GET", API + "queue.list", headers=everything) == []


async def test_a_token_for_a_part_of_a_domain_touches_no_administrator(here: Site) -> None:
    """It would be all that he may do."""
    await here.hub.directory.add_admin("a.test", EVE)
    await here.hub.directory.add_account("new@a.test", None)
    program = await here.browser()
    for scope, status in (("user:write@a.test", 403), ("*:write@a.test", 200)):
        made = await here.hub.control.perform(words.TokenAdd(name=scope[0], scopes=(scope, "*:write@b.test")))
        headers = {"Authorization": f"Bearer {made.token}"}
        for address, wanted in ((EVE, status), ("eve+x@a.test", 403 if status == 403 else 404), ("new@a.test", 200)):
            asked = {"address": address, "password": "another password"}
            await program.ask("POST", API + "user.passwd", wanted, json=asked, headers=headers)
