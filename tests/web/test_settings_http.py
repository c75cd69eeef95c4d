"""Preferences, and what opens an account, by HTTP: what the owner may do, and what a browser left open, another account or garbage gets."""

import asyncio
import base64
import imaplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hubs import PASSWORD, trusting
from support.webmail import ANN, BOB, DOORS, Browser, Site, site

from mailhub.config.schema import Limits, Listener
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.directory.second_factor import STEP, code
from mailhub.model.clock import VirtualClock
from mailhub.web.settings.preferences import ENTRY

NOW = 1_800_000_000.0
NEW = "a quite different one"
DEFAULTS = {
    "language": "", "theme": "", "undo_seconds": 10, "conversations": False, "notifications": False, "identities": [],
}  # fmt: skip


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    doors = (*DOORS, Listener(protocol="imap", tls="implicit"))
    auth = Auth(allow_plaintext=True, failure_delay=0.0)
    async with site(tmp_path, VirtualClock(NOW), auth=auth, listener=doors) as made:
        yield made


async def imap(here: Site, password: str) -> bool:
    """Whether imaplib gets in as ann."""

    def attempt() -> bool:
        client = imaplib.IMAP4_SSL("127.0.0.1", here.hub.port("imaps"), ssl_context=trusting(), timeout=20)
        try:
            client.login(ANN, password)
        except imaplib.IMAP4.error:
            return False
        finally:
            client.logout()
        return True

    return await asyncio.to_thread(attempt)


# --- preferences


async def test_preferences_are_kept_for_one_account(here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    assert await ann.own("GET", "preferences") == DEFAULTS
    wanted = {
        **DEFAULTS, "language": "zh", "theme": "dark", "undo_seconds": 0,
        "identities": [{"address": ANN, "name": "安 <script>", "signature": "-- \nAnn\n</script>"}],
    }  # fmt: skip
    assert await ann.own("PUT", "preferences", json=wanted) == wanted
    assert await ann.own("GET", "preferences") == wanted
    assert await bob.own("GET", "preferences") == DEFAULTS


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "xx"},
        {"theme": "pink"},
        {"undo_seconds": -1},
        {"undo_seconds": 61},
        {"undo_seconds": 1.5},
        {"unknown": 1},
        {"identities": [{"address": ANN, "name": "two\r\nBcc: lines"}]},
        {"identities": [{"address": ANN, "name": "x" * 201}]},
        {"identities": [{"address": ANN, "signature": "x" * 10_001}]},
        {"identities": [{"address": "x"}] * 101},
    ],
    ids=str,
)
async def test_no_preferences(here: Site, wrong: dict[str, object]) -> None:
    ann = await here.signed_in()
    await ann.own("PUT", "preferences", 400, json=wrong)
    assert await ann.own("GET", "preferences") == DEFAULTS


async def test_too_much_and_garbage_from_another_program(here: Site) -> None:
    ann = await here.signed_in()
    await ann.own("PUT", "preferences", 413, data=b"[" * 300_000)
    await ann.own("PUT", "preferences", 403, json={}, headers={"X-CSRF-Token": "another"})
    await here.hub.mailboxes.account(ANN).annotations.set(None, [(ENTRY, b'{"undo_seconds": "\xff')])
    assert await ann.own("GET", "preferences") == DEFAULTS


async def test_identities_are_those_that_submission_takes(here: Site) -> None:
    directory = here.hub.directory
    await directory.set_alias("info@mailhub.test", ["Ann@mailhub.test"])
    await directory.set_alias("both@mailhub.test", [ANN, BOB])
    await directory.set_alias("@mailhub.test", [ANN])
    await directory.set_alias("bobby@mailhub.test", [BOB])
    ann = await here.signed_in()
    assert await ann.own("GET", "identities") == [ANN, "info@mailhub.test"]
    for sender, status in (("info@mailhub.test", 200), ("bobby@mailhub.test", 400)):
        told = {"sender": f"Ann <{sender}>", "to": [BOB], "text": "x"}
        await ann.own("POST", "sent", status, json=told)


async def test_storage(here: Site) -> None:
    await here.hub.control.perform(words.QuotaSet(address=ANN, storage=5_000_000))
    told = await (await here.signed_in()).own("GET", "storage")
    assert (told["storage"], told["storage_limit"]) == (0, 5_000_000)


# --- the password


async def test_a_changed_password_signs_the_others_out_and_opens_imap(here: Site) -> None:
    other, ann = await here.signed_in(), await here.signed_in()
    assert await imap(here, PASSWORD)
    cookie = ann.cookies["mailhub"]
    told = await ann.own("PUT", "password", json={"password": PASSWORD, "new": NEW})
    assert told["ended"] == 1
    assert ann.cookies["mailhub"] != cookie
    await ann.own("GET", "session")
    await ann.own("PUT", "preferences", 403, json=DEFAULTS)
    ann.token = told["token"]
    await ann.own("PUT", "preferences", json=DEFAULTS)
    await other.own("GET", "session", 401)
    await (await here.browser(Cookie=f"mailhub={cookie}")).own("GET", "session", 401)
    assert not await imap(here, PASSWORD)
    assert await imap(here, NEW)
    await (await here.browser()).sign_in(ANN, 401)
    await (await here.browser()).sign_in(ANN, password=NEW)


async def test_who_does_not_know_it_does_not_change_it(here: Site) -> None:
    ann = await here.signed_in()
    for given, status in (
        ({"password": "wrong", "new": NEW}, 403),
        ({"password": PASSWORD, "new": "short"}, 400),
        ({"password": PASSWORD, "new": "with\0nul in it"}, 400),
        ({"password": PASSWORD, "new": "x" * 1_025}, 400),
        ({"new": NEW}, 400),
    ):
        await ann.own("PUT", "password", status, json=given)
    right = {"password": PASSWORD, "new": NEW}
    await ann.own("PUT", "password", 403, json=right, headers={"X-CSRF-Token": ""})
    made = await here.hub.control.perform(words.AppPasswordAdd(address=ANN, name="telephone"))
    await ann.own("PUT", "password", 403, json={**right, "password": made.password})
    program = await here.browser()
    await program.own("PUT", "password", 401, json=right, headers=_basic(ANN))
    assert await imap(here, PASSWORD)


async def test_guesses_of_the_password_are_counted(tmp_path: Path) -> None:
    auth, limits = Auth(allow_plaintext=True, failure_delay=0.0), Limits(ban_auth_failures=3)
    web = Web(trusted_proxies=("127.0.0.0/8",))
    async with site(tmp_path, VirtualClock(NOW), web, auth=auth, limits=limits) as here:
        ann = await here.signed_in(**{"X-Forwarded-For": "192.0.2.7"})
        for guess in "abc":
            await ann.own("POST", "session/confirm", 403, json={"password": guess})
        await ann.own("POST", "session/confirm", 503, json={"password": PASSWORD})


# --- a browser that was left open


CHANGES = (
    ("POST", "app-passwords", {"name": "x"}),
    ("DELETE", "app-passwords/telephone", None),
    ("POST", "second-factor", None),
    ("POST", "second-factor/confirm", {"code": "123456"}),
    ("DELETE", "second-factor", None),
)


async def test_an_old_browser_has_to_show_the_password_again(here: Site) -> None:
    ann = await here.signed_in()
    await here.hub.control.perform(words.AppPasswordAdd(address=ANN, name="telephone"))
    clock = here.hub.clock
    assert isinstance(clock, VirtualClock)
    await clock.advance(301.0)
    for method, path, body in CHANGES:
        told = await ann.own(method, path, 403, json=body)
        assert told["confirm"] is True
    assert [one["name"] for one in await ann.own("GET", "app-passwords")] == ["telephone"]
    await ann.own("POST", "session/confirm", 403, json={"password": "wrong"})
    await ann.own("POST", "app-passwords", 403, json={"name": "x"})
    await ann.own("POST", "session/confirm", json={"password": PASSWORD})
    await ann.own("POST", "app-passwords", json={"name": "x"})


async def test_programs_and_strangers_change_nothing_of_this(here: Site) -> None:
    ann, stranger = await here.signed_in(), await here.browser()
    for method, path, body in CHANGES:
        await stranger.own(method, path, 401, json=body)
        await stranger.own(method, path, 401, json=body, headers=_basic(ANN))
        await ann.own(method, path, 403, json=body, headers={"X-CSRF-Token": "another"})
    await stranger.own("GET", "app-passwords", 401, headers=_basic(ANN))


def _basic(account: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{account}:{PASSWORD}".encode()).decode()}


# --- app passwords


async def test_app_passwords(here: Site) -> None:
    ann, bob = await here.signed_in(), await here.signed_in(BOB)
    made = await ann.own("POST", "app-passwords", json={"name": "Ann's 电话/1", "services": ["imap"]})
    assert await imap(here, made["password"])
    (row,) = await ann.own("GET", "app-passwords")
    assert (row["name"], row["services"], row["client"]) == ("Ann's 电话/1", ["imap"], "127.0.0.1")
    assert row["used"] == pytest.approx(NOW, abs=60)
    assert made["password"] not in repr(row)
    await ann.own("POST", "app-passwords", 409, json={"name": "Ann's 电话/1"})
    for wrong in ({"name": ""}, {"name": "x\ny"}, {"name": "x" * 101}, {"name": "x", "services": ["telnet"]}):
        await ann.own("POST", "app-passwords", 400, json=wrong)
    gone = "app-passwords/Ann's%20%E7%94%B5%E8%AF%9D%2F1"
    await bob.own("DELETE", gone, 404)
    await ann.own("DELETE", gone)
    assert not await imap(here, made["password"])


# --- the second factor


async def test_a_second_factor_from_its_beginning_to_its_end(here: Site) -> None:
    ann = await here.signed_in()
    assert await ann.own("GET", "second-factor") == {"active": False, "recovery": 0}
    made = await ann.own("POST", "second-factor")
    assert made["picture"].startswith("data:image/svg+xml;")
    assert made["secret"] in made["uri"]
    assert len(made["recovery"]) == 8
    await _in_and_out(here)  # nothing is asked for before it was shown to work
    step = int(NOW) // STEP
    await ann.own("POST", "second-factor/confirm", 400, json={"code": "000000"})
    await ann.own("POST", "second-factor/confirm", json={"code": code(made["secret"], step)})
    assert await ann.own("GET", "second-factor") == {"active": True, "recovery": 8}
    await ann.own("POST", "second-factor", 409)
    assert (await (await here.browser()).sign_in(ANN, 401))["code"] is True
    await (await here.browser()).sign_in(ANN, code=made["recovery"][0])
    assert await ann.own("GET", "second-factor") == {"active": True, "recovery": 7}
    await ann.own("DELETE", "second-factor")
    await _in_and_out(here)
    await ann.own("DELETE", "second-factor", 404)


async def _in_and_out(here: Site) -> None:
    browser: Browser = await here.signed_in()
    await browser.own("DELETE", "session")
