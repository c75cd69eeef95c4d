"""The page that a person reads to set up a mail program, with a QR code that takes it to the phone. No scripts."""

from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import urlencode

from mailhub.control.setup.services import Service

from .account import Account

_WORDS = {
    "en": {
        "title": "Set up mail", "of": "Mail of", "address": "Your address", "show": "Show", "what": "What", "server": "Server",
        "port": "Port", "security": "Security", "login": "Name to sign in with", "whole": "your whole address",
        "imap": "Read mail (IMAP)", "pop3": "Fetch mail (POP3)", "submission": "Send mail (SMTP)", "managesieve": "Filters",
        "implicit": "TLS", "starttls": "STARTTLS",
        "auto": "Thunderbird, Outlook and others find this by themselves: type in your address and password.",
        "apple": "Profile for iPhone, iPad and Mac", "scan": "This page on the phone",
    },
    "zh": {
        "title": "设置邮箱", "of": "邮箱：", "address": "您的邮箱地址", "show": "显示", "what": "用途", "server": "服务器", "port": "端口",
        "security": "加密方式", "login": "登录名", "whole": "完整的邮箱地址", "imap": "收信（IMAP）", "pop3": "取信（POP3）",
        "submission": "发信（SMTP）", "managesieve": "过滤规则", "implicit": "TLS", "starttls": "STARTTLS",
        "auto": "Thunderbird、Outlook 等程序会自动完成设置：输入邮箱地址和密码即可。",
        "apple": "iPhone、iPad 和 Mac 的描述文件", "scan": "在手机上打开本页",
    },
}  # fmt: skip


def language(accepted: str) -> str:
    """Of Accept-Language: the first that is there."""
    for one in accepted[:200].split(","):
        if (name := one.strip()[:2].lower()) in _WORDS:
            return name
    return "en"


def static(name: str) -> str:
    """A file of the page."""
    return (files("mailhub.web") / "static" / name).read_text("utf-8")


def document(account: Account, url: str, accepted: str) -> str:
    """`url`: of the page, as others reach it; "" where they do not."""
    chosen = language(accepted)
    words = _WORDS[chosen]
    rows = "\n".join(_row(one, account, words) for one in (*account.incoming, *account.outgoing))
    query = urlencode({"domain": account.domain} | ({"emailaddress": account.address} if account.address else {}))
    profile = ""
    if account.incoming and account.outgoing:
        profile = f'<p><a href="setup/mail.mobileconfig?{escape(query)}">{words["apple"]}</a></p>'
    return Template(static("setup.html")).substitute(
        words,
        language=chosen,
        domain=escape(account.domain),
        address_given=escape(account.address),
        login_name=escape(account.address) or words["whole"],
        rows=rows,
        profile=profile,
        code=_code(f"{url}?{query}", words) if url else "",
    )


def _row(service: Service, account: Account, words: dict[str, str]) -> str:
    cells = (words[service.kind], account.host, str(service.port), words[service.tls])
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _code(text: str, words: dict[str, str]) -> str:
    import segno  # who never asks for the page does not pay for it

    picture = segno.make(text, error="m", micro=False).svg_inline(scale=4, border=4, dark="#000", light="#fff")
    return f"<figure>{picture}<figcaption>{words['scan']}</figcaption></figure>"
