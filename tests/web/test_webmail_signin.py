"""Signing in with a browser: who gets in, and what a stranger, another page or an old cookie gets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.client import URL
from support.hubs import PASSWORD, config
from support.webmail import ANN, BOB, DOORS, OWN, Site, site

from mailhub.config.schema import Limits
from mailhub.config.signin import Auth
from mailhub.config.web import Web
from mailhub.control import words
from mailhub.directory.browsers import Browsers
from mailhub.directory.second_factor import STEP, SecondFactors, code
from mailhub.hub import Hub
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import NotFound
from mailhub.store.api import PasskeyRow

NOW = 1_800_000_000.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(
        tmp_path, VirtualClock(NOW), Web(admins=(BOB,)), auth=Auth(allow_plaintext=True, failure_delay=0.0)
    ) as made:
        yield made


async def test_in_and_out(here: Site) -> None:
    browser = await here.browser()
    await browser.own("GET", "session", 401)
    assert browser.answer.headers["WWW-Authenticate"] == "Session"
    told = await browser.sign_in()
    assert (told["account"], told["is_admin"]) == (ANN, False)
    cookie = browser.answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie, "there is no TLS here, and the browser would throw it away"
    assert await browser.own("GET", "session") == told
    stolen = browser.cookies["mailhub"]
    await browser.own("DELETE", "session")
    assert "mailhub" not in browser.cookies
    await browser.own("GET", "session", 401)
    await (await here.browser(Cookie=f"mailhub={stolen}")).own("GET", "session", 401)


async def test_wrong_ones_stay_out(here: Site) -> None:
    browser = await here.browser()
    await browser.sign_in(ANN, 401, password="wrong")
    await browser.sign_in("nobody@mailhub.test", 401)
    assert "Set-Cookie" not in browser.answer.headers
    await here.hub.directory.set_enabled(ANN, False)
    await browser.sign_in(ANN, 401)
    await browser.own("POST", "session", 400, json={"login": ANN})
    await browser.own(
        "POST", "session", 415, data=b'{"login": "a@b", "password": "x"}', headers={"Content-Type": "text/plain"}
    )
    await browser.own("POST", "session", 413, json={"login": ANN, "password": "x" * 20_000})


async def test_an_app_password_is_for_programs(here: Site) -> None:
    made = await here.hub.control.perform(words.AppPasswordAdd(address=ANN, name="telephone"))
    await (await here.browser()).sign_in(ANN, 401, password=made.password)


async def test_who_has_a_second_factor_is_asked_for_it(here: Site) -> None:
    factors = SecondFactors(here.hub.store.directory, here.hub.clock, "mailhub.test")
    made = await factors.begin(ANN)
    step = int(NOW) // STEP
    await factors.confirm(ANN, code(made.secret, step - 1))
    browser = await here.browser()
    told = await browser.sign_in(ANN, 401)
    assert told["code"] is True
    assert "Set-Cookie" not in browser.answer.headers
    assert "code" not in await browser.sign_in(ANN, 401, password="wrong"), (
        "who does not know the password is told nothing"
    )
    await browser.sign_in(ANN, 401, code="000000")
    right = code(made.secret, step)
    await browser.sign_in(ANN, code=right)
    await (await here.browser()).sign_in(ANN, 401, code=right)
    await (await here.browser()).sign_in(ANN, code=made.recovery[0])
    await (await here.browser()).sign_in(ANN, 401, code=made.recovery[0])


async def test_who_has_lost_a_passkey_is_helped_by_an_administrator(here: Site) -> None:
    keys = here.hub.store.directory
    await keys.put_passkey(PasskeyRow("id", ANN, b"k", 0, "Laptop", NOW), 5)
    browser = await here.browser()
    await browser.sign_in(ANN, 401)
    await here.hub.control.perform(words.SecondFactorRemove(address=ANN))
    await browser.sign_in(ANN)
    assert await keys.passkeys(ANN) == []


async def test_who_gives_up_the_code_keeps_the_passkeys(here: Site) -> None:
    keys = here.hub.store.directory
    browser = await here.signed_in()
    factors = SecondFactors(keys, here.hub.clock, "mailhub.test")
    await factors.confirm(ANN, code((await factors.begin(ANN)).secret, int(NOW) // STEP))
    await keys.put_passkey(PasskeyRow("id", ANN, b"k", 0, "Laptop", NOW), 5)
    await browser.own("DELETE", "second-factor")
    assert not await factors.active(ANN)
    assert len(await keys.passkeys(ANN)) == 1


async def test_guesses_of_a_code_are_counted_though_the_password_is_right(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "auth": Auth(allow_plaintext=True, failure_delay=0.0),
        "limits": Limits(ban_auth_failures=5),
    }
    async with site(tmp_path, VirtualClock(NOW), Web(trusted_proxies=("127.0.0.0/8",)), **options) as here:
        factors = SecondFactors(here.hub.store.directory, here.hub.clock, "mailhub.test")
        made = await factors.begin(ANN)
        await factors.confirm(ANN, code(made.secret, int(NOW) // STEP - 1))
        browser = await here.browser(**{"X-Forwarded-For": "192.0.2.7"})
        for guess in range(5):
            await browser.sign_in(ANN, 401)  # the page asks first whether a code is wanted
            await browser.sign_in(ANN, 401, code=f"{guess:06}")
        await browser.sign_in(ANN, 503, code=code(made.secret, int(NOW) // STEP))
        other = await here.browser(**{"X-Forwarded-For": "192.0.2.8"})
        await other.sign_in(ANN, code=code(made.secret, int(NOW) // STEP))


async def test_wrong_passwords_are_counted_as_those_of_programs(tmp_path: Path) -> None:
    auth, limits = Auth(allow_plaintext=True, failure_delay=0.0), Limits(ban_auth_failures=3)
    proxy = Web(trusted_proxies=("127.0.0.0/8",))
    async with site(tmp_path, VirtualClock(NOW), proxy, auth=auth, limits=limits) as here:
        browser = await here.browser(**{"X-Forwarded-For": "192.0.2.7"})
        for guess in "abc":
            await browser.sign_in(ANN, 401, password=guess)
        await browser.sign_in(ANN, 503)
        (ban,) = await here.hub.control.perform(words.BanList())
        assert ban.network == "192.0.2.7/32"


class Delaying(VirtualClock):
    """Tells when somebody waits for two seconds."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.delayed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds == 2.0:
            self.delayed.set()
        await super().sleep(seconds)


async def test_a_wrong_password_is_answered_late(tmp_path: Path) -> None:
    clock = Delaying()
    async with site(tmp_path, clock, auth=Auth(allow_plaintext=True, failure_delay=2.0)) as here:
        browser = await here.browser()
        waiting = asyncio.create_task(browser.sign_in(ANN, 401, password="wrong"))
        await clock.delayed.wait()
        assert not waiting.done()
        await clock.advance(2.0)
        await waiting


async def test_a_name_from_before_signing_in_is_worth_nothing(here: Site) -> None:
    """Session fixation: what somebody else put into the browser is not what it has afterwards."""
    browser = await here.browser()
    browser.http.cookie_jar.update_cookies({"mailhub": "chosen-by-another"}, URL(here.root))
    await browser.sign_in()
    assert browser.cookies["mailhub"] != "chosen-by-another"
    first = browser.cookies["mailhub"]
    await browser.sign_in(BOB)
    assert browser.cookies["mailhub"] != first
    await (await here.browser(Cookie=f"mailhub={first}")).own("GET", "session", 401)


async def test_a_change_needs_the_token_and_our_own_page(here: Site) -> None:
    browser = await here.signed_in()
    for headers, status in (
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "x" * 43}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        await browser.own("DELETE", "sessions", status, headers=headers)
        await browser.own("DELETE", "sent/abc", status, headers=headers)
    other = await here.signed_in(BOB)
    await browser.own("DELETE", "sessions", 403, headers={"X-CSRF-Token": other.token})
    await browser.own("DELETE", "sessions", headers={"Origin": here.root, "Sec-Fetch-Site": "same-origin"})


async def test_the_session_opens_the_accounts_own_calls(here: Site) -> None:
    browser = await here.signed_in()
    assert await browser.own("GET", "quarantine") == []
    await (await here.browser()).own("GET", "quarantine", 401)
    stranger = await here.browser(**{"Sec-Fetch-Mode": "cors"})
    await stranger.own("GET", "quarantine", 401)
    assert stranger.answer.headers["WWW-Authenticate"] == "Session", "else the browser would open a window of its own"


async def test_browsers_are_listed_and_signed_out(here: Site) -> None:
    one = await here.signed_in(**{"User-Agent": "Firefox"})
    two = await here.signed_in(**{"User-Agent": "Chromium" * 100})
    stranger = await here.signed_in(BOB)
    listed = await two.own("GET", "sessions")
    assert [(row["agent"][:8], row["here"], row["client"]) for row in listed] == [
        ("Chromium", True, "127.0.0.1"),
        ("Firefox", False, "127.0.0.1"),
    ]
    assert len(listed[0]["agent"]) == 200
    assert one.cookies["mailhub"] not in repr(listed)
    await stranger.own("DELETE", f"sessions/{listed[1]['id']}", 404)
    await two.own("DELETE", f"sessions/{listed[1]['id']}")
    await one.own("GET", "session", 401)
    three = await here.signed_in()
    assert await three.own("DELETE", "sessions") == {"count": 1}
    await two.own("GET", "session", 401)
    await three.own("GET", "session")
    await stranger.own("GET", "session")


async def test_another_password_signs_everybody_out(here: Site) -> None:
    browser = await here.signed_in()
    await here.hub.directory.set_password(ANN, "another one entirely")
    await browser.own("GET", "session", 401)
    await browser.sign_in(ANN, password="another one entirely")
    await here.hub.directory.set_enabled(ANN, False)
    await browser.own("GET", "session", 401)


async def test_a_password_that_is_changed_while_somebody_signs_in_with_it_opens_nothing(here: Site) -> None:
    async def changing(name: str, service: str, client: str) -> str:
        await here.hub.directory.set_password(ANN, "another one entirely")
        return ""

    here.hub.authenticator.hook = changing  # asked when the password was found right
    browser = await here.browser()
    await browser.sign_in(ANN, 401)
    assert "Set-Cookie" not in browser.answer.headers
    assert await here.hub.store.browsers.of(ANN) == []


async def test_a_session_lasts_as_long_as_the_password_that_opened_it(here: Site) -> None:
    row = await here.hub.directory.stored(ANN)
    assert row is not None
    browsers = Browsers(here.hub.store.browsers, here.hub.directory, Web(), here.hub.clock)
    await browsers.begin(ANN, row.password, "192.0.2.1", "")
    await here.hub.directory.set_password(ANN, "another one entirely")
    with pytest.raises(NotFound):
        await browsers.begin(ANN, row.password, "192.0.2.1", "")


async def test_a_password_written_anew_signs_nobody_out(here: Site) -> None:
    await here.hub.store.directory.set_password(ANN, "{PLAIN}" + PASSWORD)
    here.hub.directory._accounts.drop(ANN)
    browser = await here.signed_in()
    row = await here.hub.directory.stored(ANN)
    assert row is not None
    assert row.password.startswith("{ARGON2ID}"), "it was written anew"
    await browser.own("GET", "session")


async def test_sessions_end_by_time(tmp_path: Path) -> None:
    clock = VirtualClock(NOW)
    async with site(tmp_path, clock, Web(session_idle=3_600.0, session_lifetime=10_000.0)) as here:
        idle, busy = await here.signed_in(), await here.signed_in()
        for _ in range(3):
            await clock.advance(3_000.0)
            await busy.own("GET", "session")
        await idle.own("GET", "session", 401)
        await clock.advance(1_000.0)
        await busy.own("GET", "session", 401)


async def test_who_is_signed_in_stays_so_over_a_restart(tmp_path: Path) -> None:
    async with site(tmp_path, VirtualClock(NOW)) as here:
        kept, left, ended = [await here.signed_in(), await here.signed_in(), await here.signed_in()]
        cookies = [browser.cookies["mailhub"] for browser in (kept, left, ended)]
        await left.own("DELETE", "session")
        listed = await kept.own("GET", "sessions")
        await kept.own("DELETE", f"sessions/{next(row['id'] for row in listed if not row['here'])}")
    stored = await asyncio.to_thread(all_of_the_store, tmp_path)
    for secret in (*cookies, kept.token):
        assert secret.encode() not in stored, "who reads the store is nobody by that"
    async with again(tmp_path, VirtualClock(NOW + 60)) as here:
        back = await here.browser(Cookie=f"mailhub={cookies[0]}")
        told = await back.own("GET", "session")
        assert (told["account"], told["token"]) == (ANN, kept.token)
        await back.own("DELETE", "sessions", 403)
        await back.own("DELETE", "sessions", headers={"X-CSRF-Token": kept.token})
        for secret in cookies[1:]:
            await (await here.browser(Cookie=f"mailhub={secret}")).own("GET", "session", 401)


async def test_a_restart_prolongs_nothing(tmp_path: Path) -> None:
    web = Web(session_idle=3_600.0, session_lifetime=10_000.0)
    async with site(tmp_path, VirtualClock(NOW), web) as here:
        cookies = [(await here.signed_in()).cookies["mailhub"] for _ in range(2)]
    for later, status in ((3_000.0, 200), (6_000.0, 200), (9_000.0, 200), (10_000.0, 401)):
        async with again(tmp_path, VirtualClock(NOW + later), web) as here:
            await (await here.browser(Cookie=f"mailhub={cookies[0]}")).own("GET", "session", status)
    async with again(tmp_path, VirtualClock(NOW + 10_001.0), web) as here:
        await (await here.browser(Cookie=f"mailhub={cookies[1]}")).own("GET", "session", 401)


async def test_after_a_restart_another_password_or_an_account_made_anew_signs_out(tmp_path: Path) -> None:
    async with site(tmp_path, VirtualClock(NOW)) as here:
        ann, bob = await here.signed_in(), await here.signed_in(BOB)
        await here.hub.directory.set_password(ANN, "another one entirely")
        await here.hub.directory.remove_account(BOB)
    async with again(tmp_path, VirtualClock(NOW + 60)) as here:
        await here.hub.directory.add_account(BOB, PASSWORD)
        for browser in (ann, bob):
            await (await here.browser(Cookie=f"mailhub={browser.cookies['mailhub']}")).own("GET", "session", 401)


async def test_a_clock_that_was_set_back_keeps_nobody_signed_in(tmp_path: Path) -> None:
    async with site(tmp_path, VirtualClock(NOW)) as here:
        cookies = [(await here.signed_in()).cookies["mailhub"] for _ in range(2)]
    for earlier, secret, status in ((30.0, cookies[0], 200), (86_400.0, cookies[1], 401)):
        async with again(tmp_path, VirtualClock(NOW - earlier)) as here:
            await (await here.browser(Cookie=f"mailhub={secret}")).own("GET", "session", status)


def all_of_the_store(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.glob("mailhub.db*"))


@contextlib.asynccontextmanager
async def again(data: Path, clock: VirtualClock, web: Web | None = None) -> AsyncIterator[Site]:
    """The same data, served anew."""
    options = config(data, web=web or Web(), auth=Auth(allow_plaintext=True), listener=DOORS)
    async with contextlib.AsyncExitStack() as stack, Hub(options, clock=clock) as hub:
        yield Site(hub, stack)


async def test_an_account_has_so_many_and_no_more(tmp_path: Path) -> None:
    clock = VirtualClock(NOW)
    async with site(tmp_path, clock, Web(sessions_per_account=2, session_limit=3)) as here:
        one, two = await here.signed_in(), await here.signed_in()
        await clock.advance(301.0)
        await one.own("GET", "session")
        three = await here.signed_in()
        await two.own("GET", "session", 401)  # the one longest unused
        bob = await here.signed_in(BOB)
        await (await here.browser()).sign_in(BOB)
        await one.own("GET", "session", 401)  # of all
        await three.own("GET", "session")
        await bob.own("GET", "session")


async def test_an_administrator_is_told_apart(here: Site) -> None:
    assert (await (await here.browser()).sign_in(BOB))["is_admin"] is True


async def test_behind_a_proxy_that_is_believed(tmp_path: Path) -> None:
    web = Web(trusted_proxies=("127.0.0.1/32", "10.0.0.0/8"), hosts=("mail.example.org",))
    async with site(tmp_path, web=web, auth=Auth()) as here:
        told = {"X-Forwarded-Host": "mail.example.org", "X-Forwarded-For": "evil, 192.0.2.7, 10.1.1.1"}
        clear = await here.browser(**told, **{"X-Forwarded-Proto": "http"})
        await clear.sign_in(ANN, 403)  # the browser speaks no TLS, whatever network the proxy is in
        browser = await here.browser(**told, **{"X-Forwarded-Proto": "https", "Origin": "https://mail.example.org"})
        await browser.sign_in()
        cookie = browser.answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-mailhub=")
        assert "; Secure" in cookie
        assert "Path=/;" in cookie + ";"
        browser.headers["Cookie"] = cookie.partition(";")[0]
        (row,) = await browser.own("GET", "sessions")
        assert row["client"] == "192.0.2.7"
        browser.headers["X-Forwarded-Host"] = "rebound.evil.test"
        await browser.own("GET", "session", 421)


async def test_nobody_else_is_believed(here: Site) -> None:
    browser = await here.signed_in(**{"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
    assert "mailhub" in browser.cookies, "no TLS, no Secure"
    (row,) = await browser.own("GET", "sessions")
    assert row["client"] == "127.0.0.1"


async def test_below_a_prefix(tmp_path: Path) -> None:
    async with site(tmp_path, web=Web(prefix="/post")) as here:
        browser = await here.browser()
        page = await browser.ask("GET", "/post/")
        assert 'data-prefix="/post"' in page
        assert '"/post/static/mail/main.js"' in page
        await browser.ask("GET", "/", 404)
        await browser.ask("POST", "/post" + OWN + "session", json={"login": ANN, "password": PASSWORD})
        assert "Path=/post/" in browser.answer.headers["Set-Cookie"]


async def test_pages_keep_to_themselves(here: Site) -> None:
    browser = await here.browser()
    for path in ("/", "/static/mail/main.js", OWN + "session"):
        await browser.ask("GET", path, 401 if path.startswith(OWN) else 200)
        headers = browser.answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    await browser.ask("GET", "/static/mail/main.js")
    tag = browser.answer.headers["ETag"]
    await browser.ask("GET", "/static/mail/main.js", 304, headers={"If-None-Match": tag})


@pytest.mark.parametrize(
    "path", ["/static/mail/../../../hub.py", "/static/mail/..%2f..%2fhub.py", "/static/mail/", "/static/%2e%2e/x"]
)
async def test_no_file_but_the_pages_own(here: Site, path: str) -> None:
    browser = await here.browser()
    async with browser.http.get(URL(here.root + path, encoded=True)) as answer:
        assert answer.status == 404


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with site(tmp_path, web=Web(webmail=False)) as here:
        browser = await here.browser()
        await browser.ask("GET", "/", 404)
        await browser.sign_in(ANN, 404)


async def test_in_capture_mode_there_is_the_page_of_captured_mail(tmp_path: Path) -> None:
    async with site(tmp_path, mode="capture") as here:
        browser = await here.browser()
        assert "capture.js" in await browser.ask("GET", "/")
        await browser.sign_in(ANN, 404)
