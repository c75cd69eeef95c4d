"""Each text that POP3 answers with has a form in each language; codes and numbers stay."""

import re
from pathlib import Path

import pytest

from mailhub.protocols import session, shedding
from mailhub.protocols.pop3 import languages

ROOT = Path(languages.__file__).parents[2]
_CALL = re.compile(r'\b(?:ok|err|bad|goodbye|NotNow|BadCommand|NoSuchMessage)\(\s*f?"([^"]+)"')
_NO_TEXT = ("{_mail(session).count} {_mail(session).size}", "{self.context.hostname} POP3 ready {self.timestamp}", "malformed response: {error}", "[SYS/TEMP] {self.context.session.farewell}")  # fmt: skip


def test_every_text_is_there_in_chinese() -> None:
    sources = [*(ROOT / "protocols/pop3").glob("*.py"), *(ROOT / "wire/pop3").glob("*.py")]
    texts = {text for source in sources for text in _CALL.findall(source.read_text()) if text not in _NO_TEXT}
    texts |= {session.Session().farewell, shedding.BUSY}
    assert len(texts) > 30
    for text in texts:
        made = re.sub(r"\{[^}]*\}", "7", text)
        assert languages.said(made, "zh") != made, text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[AUTH] Wrong login or password", "[AUTH] 用户名或密码错误"),
        ("12 messages (34 octets)", "12 封邮件（34 字节）"),
        ("12 34", "12 34"),
        ("1 00000001", "1 00000001"),
        ("", ""),
    ],
)
def test_codes_and_numbers(text: str, wanted: str) -> None:
    assert languages.said(text, "zh") == wanted
    assert languages.said(text, "en") == text


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [("ZH", "zh"), ("zh-TW", "zh"), ("en-US", "en"), ("i-default", "i-default"), ("i", None), ("-", None), ("", None)],
)
def test_tags(tag: str, wanted: str | None) -> None:
    assert languages.chosen(tag) == wanted
