"""The browser's code: types, words in each language, and that each file is served."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mailhub.web import trying
from mailhub.web.admin import page as admin_page
from mailhub.web.mail import page

STATIC = Path(page.__file__).parents[1] / "static"
TSC = shutil.which("tsc")


@pytest.mark.skipif(not TSC, reason="no tsc")
@pytest.mark.slow
def test_types() -> None:
    done = subprocess.run([TSC or "", "-p", str(STATIC)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("english", sorted(STATIC.rglob("en.json")), ids=lambda path: path.parent.name)
def test_languages_have_the_same_words(english: Path) -> None:
    words = json.loads(english.read_text())
    for other in english.parent.glob("??.json"):
        there = json.loads(other.read_text())
        assert there.keys() == words.keys()
        for key, text in words.items():
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", there[key])), key


@pytest.mark.parametrize("name", ["mail", "admin", "api"])
def test_every_word_that_the_page_says_is_there(name: str) -> None:
    folder = STATIC / name
    words = json.loads((folder / "en.json").read_text())
    said = set(re.findall(r'data-(?:word|label|hint)="(\w+)"', (folder / f"{name}.html").read_text()))
    shared = () if name == "api" else (STATIC / "common").glob("*.js")
    for script in (*folder.glob("*.js"), *shared):
        said.update(re.findall(r'\bsay\("([\w-]+)"', script.read_text()))
    assert said <= words.keys()


def test_every_word_of_the_settings_is_there() -> None:
    folder = STATIC / "mail" / "settings"
    words = json.loads((folder / "en.json").read_text())
    scripts = "".join(script.read_text() for script in folder.glob("*.js"))
    assert {one for one in re.findall(r'"(s-[\w-]+)"', scripts) if not one.endswith("-")} <= words.keys()
    for name in ("what", "how", "do", "value"):
        assert any(key.startswith(f"s-{name}-") for key in words)


def test_every_file_is_served() -> None:
    served = {route.path for route in page.routes("") + admin_page.routes("") + trying.routes("")}
    folders = ("common", "mail", "mail/settings", "admin", "api")
    there = {f"/static/{path.relative_to(STATIC)}" for name in folders for path in (STATIC / name).glob("*.*")}
    assert there - served == {"/static/mail/mail.html", "/static/admin/admin.html", "/static/api/api.html"}


def test_the_form_to_sign_in_is_the_same_and_never_puts_a_password_into_an_address() -> None:
    forms = [
        re.search(r'<form id="signin-form" method="post">.*?</form>', (STATIC / name).read_text(), re.DOTALL)
        for name in ("mail/mail.html", "admin/admin.html")
    ]
    mail, admin = (re.sub("<h1.*", "", form.group()) if form else "" for form in forms)
    assert mail
    assert mail == admin, "both are driven by common/signin.js"


def test_nothing_comes_from_elsewhere() -> None:
    for path in STATIC.rglob("*.*"):
        found = re.findall(r"https?://[^\s\"'`<>)]+", path.read_text())
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path.name
