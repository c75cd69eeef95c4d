"""Who may run the server from a browser: administrators; nobody else gets anything from any of its routes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.hubs import PASSWORD
from support.webmail import ANN, BOB, Site, site

from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.control.scopes import ACTIONS, FOLLOWED, SUBJECTS, reads
from mailhub.model.clock import VirtualClock
from mailhub.store.api import AccountRow

API = "/api/mailhub/v1/"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    auth = Auth(allow_plaintext=True, failure_delay=0.0)
    async with site(tmp_path, auth=auth, web=Web(admins=(BOB,), requests_per_minute=2_000)) as made:
        yield made


async def test_an_administrators_browser_does_what_a_token_does(here: Site) -> None:
    bob = await here.signed_in(BOB)
    await bob.ask("POST", API + "domain.add", json={"name": "new.test"})
    assert "new.test" in [one["name"] for one in await bob.ask("GET", API + "domain.list")]
    await bob.ask("POST", API + "user.add", json={"address": "eve@new.test", "password": "a new password"})
    assert await here.hub.directory.account("eve@new.test") is not None


async def test_who_is_none_gets_nothing(here: Site) -> None:
    for browser, status in ((await here.signed_in(ANN), 403), (await here.browser(), 401)):
        for action in ACTIONS:
            await browser.ask("POST", API + action, status, json={})
            if reads(action):
                await browser.ask("GET", API + action, status)
        for action in FOLLOWED:
            await browser.ask("GET", API + action, status)


async def test_a_change_needs_the_token_of_the_session(here: Site) -> None:
    bob = await here.signed_in(BOB)
    for token in ("", "wrong", (await here.signed_in(BOB)).token):
        await bob.ask("POST", API + "domain.add", 403, json={"name": "new.test"}, headers={"X-CSRF-Token": token})
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    await bob.ask("POST", API + "domain.add", 403, json={"name": "new.test"}, headers=elsewhere)
    assert "new.test" not in [domain.name for domain in await here.hub.directory.domains()]


async def test_no_browser_reads_mail_or_tries_passwords(here: Site) -> None:
    bob = await here.signed_in(BOB)
    for action in ("mail.read", "queue.read", "signin.test", "user.restore"):
        await bob.ask("POST", API + action, 404, json={})


async def test_an_administrators_browser_makes_tokens(here: Site, caplog: pytest.LogCaptureFixture) -> None:
    bob = await here.signed_in(BOB)
    wanted = {"name": "backup", "scopes": ["queue:read"], "lifetime": 60}
    with caplog.at_level("INFO"):
        token = (await bob.ask("POST", API + "token.add", json=wanted))["token"]
    assert f"token.add 'backup' queue:read by {BOB} in a browser" in caplog.text
    assert token not in caplog.text
    (row,) = await bob.ask("POST", API + "token.list", json={})
    assert (row["name"], row["scopes"]) == ("backup", ["queue:read"])
    program = await here.browser(Authorization=f"Bearer {token}")
    await program.ask("GET", API + "queue.summary")
    await bob.ask("POST", API + "token.remove", json={"name": "backup"})
    await program.ask("GET", API + "queue.summary", 401)


async def test_a_token_wants_the_password_again(here: Site) -> None:
    bob = await here.signed_in(BOB)
    wanted = {"name": "backup", "scopes": ["*:write"]}
    assert isinstance(here.hub.clock, VirtualClock)
    await here.hub.clock.advance(301)
    assert (await bob.ask("POST", API + "token.add", 403, json=wanted))["confirm"] is True
    assert await bob.ask("POST", API + "token.list", json={}) == []
    await bob.own("POST", "session/confirm", json={"password": PASSWORD})
    await bob.ask("POST", API + "token.add", json=wanted)


async def test_nobody_else_comes_near_tokens(here: Site) -> None:
    made = await here.hub.control.perform(words.TokenAdd(name="all", scopes=("*:write",)))
    await here.hub.directory.add_admin("mailhub.test", ANN)
    strangers = (
        (await here.browser(), 401),
        (await here.browser(Authorization=f"Bearer {made.token}"), 401),
        (await here.signed_in(ANN), 403),
    )
    for browser, status in strangers:
        for action, fields in (
            ("add", {"name": "x", "scopes": ["*:write"]}),
            ("list", {}),
            ("remove", {"name": "all"}),
        ):
            await browser.ask("POST", f"{API}token.{action}", status, json=fields)
    bob = await here.signed_in(BOB)
    lost = {"X-CSRF-Token": ""}
    await bob.ask("POST", API + "token.remove", 403, json={"name": "all"}, headers=lost)
    assert [one.name for one in await here.hub.control.perform(words.TokenList())] == ["all"]


async def test_a_session_that_is_over_runs_nothing(here: Site) -> None:
    bob = await here.signed_in(BOB)
    await here.hub.directory.set_enabled(BOB, False)
    await bob.ask("GET", API + "queue.summary", 401)


async def test_accounts_and_aliases_are_found_by_a_part_of_their_address(here: Site) -> None:
    for n in range(600):
        await here.hub.store.directory.put_account(AccountRow(f"u{n:03}@mailhub.test", ""))
    bob = await here.signed_in(BOB)

    async def found(**asked: object) -> list[str]:
        return [one["address"] for one in await bob.ask("POST", API + "user.list", json=asked)]

    assert await found(containing="U59") == [f"u59{n}@mailhub.test" for n in range(10)]
    assert await found(containing="u59", after="u594@mailhub.test", limit=3) == [
        f"u59{n}@mailhub.test" for n in (5, 6, 7)
    ]
    assert len(await found(containing="@mailhub.test", limit=500)) == 500
    assert len(await found(containing="@mailhub.test", limit=500, after="u497@mailhub.test")) == 102
    assert await found(containing="%") == []
    await here.hub.directory.set_alias("info@mailhub.test", [ANN])
    (alias,) = await bob.ask("POST", API + "alias.list", json={"containing": "nfo@"})
    assert alias == {"address": "info@mailhub.test", "targets": [ANN]}


async def test_the_pages_tell_strangers_nothing_of_this_server(here: Site) -> None:
    nobody = await here.browser()
    text = await nobody.ask("GET", "/admin")
    assert "script-src 'self'" in nobody.answer.headers["Content-Security-Policy"]
    assert "mailhub.test" not in text
    assert not {"style=", "onclick="} & set(text.split())


async def test_a_token_ends_with_the_right_of_its_maker(here: Site) -> None:
    """Whoever runs the server no more leaves no door open; and who has his name next does not open it again."""
    bob = await here.signed_in(BOB)
    wanted = {"name": "backup", "scopes": ["*:write"], "maker": ANN}
    token = (await bob.ask("POST", API + "token.add", json=wanted))["token"]
    (row,) = await bob.ask("POST", API + "token.list", json={})
    assert row["maker"] == BOB, "not who is named"
    program = await here.browser(Authorization=f"Bearer {token}")
    await program.ask("GET", API + "queue.summary")
    await here.hub.control.perform(words.UserEnable(address=BOB, enabled=False))
    await program.ask("GET", API + "queue.summary", 401)
    await here.hub.control.perform(words.UserEnable(address=BOB, enabled=True))
    await program.ask("GET", API + "queue.summary")
    config = here.hub.config
    here.hub.config = replace(config, web=replace(config.web, admins=(ANN,)))
    await program.ask("GET", API + "queue.summary", 401)
    here.hub.config = config
    await here.hub.control.perform(words.UserRemove(address=BOB))
    await here.hub.control.perform(words.UserAdd(address=BOB, password=PASSWORD))
    await program.ask("GET", API + "queue.summary", 401)
    assert await here.hub.control.perform(words.TokenList()) == ()


async def test_a_token_for_less_than_all_touches_no_administrator(here: Site) -> None:
    """ "user:write" would be "*:write" else: by the password of somebody who may do all."""
    control = here.hub.control
    await control.perform(words.DomainAdd(name="shop.test"))
    await control.perform(words.UserAdd(address="eve@shop.test", password=PASSWORD))
    await control.perform(words.DomainAdmins(name="shop.test", add="eve@shop.test"))
    scopes = tuple(f"{subject}:write" for subject in SUBJECTS)
    less = (await control.perform(words.TokenAdd(name="less", scopes=scopes))).token
    program = await here.browser(Authorization=f"Bearer {less}")
    changes: tuple[tuple[str, dict[str, object]], ...] = (
        ("user.passwd", {"password": "mine by now"}), ("user.enable", {"enabled": False}), ("user.remove", {}),
        ("alias.add", {"targets": [ANN]}), ("forward.set", {"targets": [ANN]}), ("second-factor.remove", {}),
        ("app-password.add", {"name": "mine"}), ("sieve.put", {"account": BOB, "name": "x", "text": "keep;"}),
    )  # fmt: skip
    for action, fields in changes:
        for name in (BOB, "eve@shop.test", BOB.replace("@", "+x@")):
            said = await program.ask("POST", API + action, 403, json=_about(action, fields, name))
            assert "*:write" in said["error"]
    await program.ask("POST", API + "domain.admins", 403, json={"name": "shop.test", "add": ANN})
    await program.ask("POST", API + "user.passwd", json={"address": ANN, "password": "another one"})
    whole = (await control.perform(words.TokenAdd(name="whole", scopes=("*:write",)))).token
    program = await here.browser(Authorization=f"Bearer {whole}")
    await program.ask("POST", API + "user.passwd", json={"address": BOB, "password": "another one"})


def _about(action: str, fields: dict[str, object], name: str) -> dict[str, object]:
    field = "account" if action.startswith("sieve.") else "address"
    return {**fields, field: name}
