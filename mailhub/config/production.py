"""The config.toml of a host that serves the world: every usual port, and what its owner chose. Pure: text, and nothing is written.

Comes from: `mailhub setup`. Gives to: the file that `load` reads.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from .section import Section

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
Language = Literal["en", "zh"]


class Production(Section, frozen=True, kw_only=True):
    """What differs from host to host. `data`: an absolute path. `user`: "" where whoever starts it serves. `ipv6`: listen there, too.
    `addresses`: those under which others reach it, where they are not its own. `acme`: an authority's directory, whose terms are agreed
    to; "" for a certificate made here. `account`: whom notes are written to."""

    domain: str
    hostname: str
    data: str
    account: str
    user: str = ""
    ipv6: bool = False
    addresses: tuple[str, ...] = ()
    acme: str = ""


class Door(NamedTuple):
    protocol: str
    port: int
    tls: str


DOORS = (
    Door("smtp", 25, "starttls"),
    Door("submission", 465, "implicit"),
    Door("submission", 587, "starttls"),
    Door("pop3", 110, "starttls"),
    Door("pop3", 995, "implicit"),
    Door("imap", 143, "starttls"),
    Door("imap", 993, "implicit"),
    Door("managesieve", 4190, "starttls"),
    Door("http", 80, "none"),
    Door("http", 443, "implicit"),
)

_NOTES = {
    "en": {
        "head": "mailhub's configuration, made by `mailhub setup`. What does not stand here has its default: `mailhub config -d` lists all\n"
        "# options, docs/options.md says what they are. After a change: `mailhub --config THIS-FILE check`, then `reload`.",
        "user": "Root binds the ports; then mailhub is this user, who owns the data folder.",
        "acme": "Certificates by ACME, proved by port 80. %d: each of our domains.",
        "own": "The first start makes a certificate that nobody has signed. For one that others trust: [tls.acme], see docs/operator.md.",
        "addresses": "Under which others reach this host.",
        "admins": "Accounts that may run the server from their browser.",
        "doors": "Mail from other hosts by 25; from accounts by 465 and 587; mailboxes by 110, 995, 143 and 993; filters by 4190; web by 80 and 443.",
    },
    "zh": {
        "head": "mailhub 的配置，由 `mailhub setup` 生成。这里没有写的选项都取默认值：`mailhub config -d` 列出全部选项，\n"
        "# docs/options.md 逐项说明。修改之后：`mailhub --config 本文件 check`，再 `reload`。",
        "user": "由 root 绑定端口，随后 mailhub 以此用户运行；数据目录归该用户所有。",
        "acme": "通过 ACME 取得证书，经 80 端口验证。%d 代表我们的每一个域名。",
        "own": "首次启动会生成自签名证书。要换成公众信任的证书：[tls.acme]，见 docs/operator.md。",
        "addresses": "外界访问本机所用的地址。",
        "admins": "可以在浏览器中管理服务器的账户。",
        "doors": "25 收外来邮件；465、587 供账户发信；110、995、143、993 供账户读信；4190 管理过滤规则；80、443 为网页。",
    },
}  # fmt: skip


def text(wanted: Production, language: Language = "en") -> str:
    """The whole file."""
    return "\n".join(_lines(wanted, _NOTES[language])) + "\n"


def _lines(wanted: Production, notes: dict[str, str]) -> Iterator[str]:
    yield f"# {notes['head']}"
    yield f"hostname = {_text(wanted.hostname)}"
    yield f"domains = {_text([wanted.domain])}"
    yield f"data = {_text(wanted.data)}"
    if wanted.user:
        yield f"# {notes['user']}"
        yield f"user = {_text(wanted.user)}"
    yield ""
    if wanted.acme:
        names = [wanted.hostname, *(f"{name}.%d" for name in ("mta-sts", "autoconfig", "autodiscover"))]
        yield f"# {notes['acme']}"
        yield "[tls.acme]"
        yield f"directory = {_text(wanted.acme)}"
        yield "agree_terms = true"
        yield f"names = {_text(names)}"
        yield f"contact = {_text([wanted.account])}"
    else:
        yield f"# {notes['own']}"
    if wanted.addresses:
        yield from ("", f"# {notes['addresses']}", "[setup]", f"addresses = {_text(wanted.addresses)}")
    yield from ("", f"# {notes['admins']}", "[web]", f"# admins = {_text([wanted.account])}")
    yield from ("", f"# {notes['doors']}")
    for address in ("0.0.0.0", "::")[: 1 + wanted.ipv6]:
        for door in DOORS:
            yield "[[listener]]"
            yield f"protocol = {_text(door.protocol)}"
            yield f"address = {_text(address)}"
            yield f"port = {door.port}"
            yield f"tls = {_text(door.tls)}"
            yield ""


def _text(value: object) -> str:
    """JSON's texts and lists are TOML's."""
    return msgspec.json.encode(value).decode()
