"""HTML mail made safe to be shown: cleaned by nh3, pictures of the message's own put in, those from elsewhere left out until they are
asked for, links with the host that they really lead to. Pure.

This is the second wall of three: the frame it is shown in has no scripts (sandbox), and its policy lets nothing be fetched (CSP).
"""

import html
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import nh3
from msgspec import Struct

LONGEST, MOST = (
    1_000_000,
    20_000,
)  # characters; signs that may begin an element: 20,000 elements in one another take 0.7 s
_SIGNS = 200_000  # ampersands; 900,000 that begin nothing take 24 s
_PICTURES = 12_000_000  # characters of pictures that are put in, however often it shows the same one
_REMOTE = ("http://", "https://")
_TAGS = (nh3.ALLOWED_TAGS | {"center", "font", "u", "s", "big", "section", "article", "main", "header", "footer"}) - {
    "map",
    "area",
}
_EVERYWHERE = {"align", "valign", "bgcolor", "color", "dir", "lang", "style", "title", "width", "height"}
_ATTRIBUTES = {
    **nh3.ALLOWED_ATTRIBUTES,
    "*": _EVERYWHERE,
    "a": {"href"},
    "img": {"src", "alt", "border", "hspace", "vspace"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "font": {"face", "size"},
}
_PROPERTIES = (
    "color background-color font font-family font-size font-style font-weight font-variant text-align text-decoration text-indent "
    "text-transform line-height letter-spacing white-space vertical-align direction padding padding-top padding-right padding-bottom "
    "padding-left margin margin-top margin-right margin-bottom margin-left border border-top border-right border-bottom border-left "
    "border-color border-style border-width border-radius border-collapse border-spacing width max-width min-width height max-height "
    "min-height display float clear list-style-type table-layout word-break word-wrap overflow-wrap"
)
_ANCHOR = re.compile(r'<a((?: [a-z-]+="[^"]*")*)>|</a>')
_LINKED, _NAME = (
    4_000_000,
    2_000,
)  # characters between <a> and </a> that are looked at, in all; of what may be a host's name and a path
_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_HREF, _TITLE = re.compile(r' href="([^"]*)"'), re.compile(r' title="[^"]*"')
_SAFE_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_LOOKS = re.compile(r"\s*(?:https?://)?((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})(?:[/:?#]\S*)?\s*", re.IGNORECASE)


class Cleaned(Struct, frozen=True):
    """`remote`: how many pictures from elsewhere it wants."""

    html: str
    remote: int


def cleaned(text: str, pictures: Mapping[str, str], *, remote: bool) -> Cleaned | None:
    """`pictures`: by Content-ID, as `data:` URLs. `remote`: pictures from elsewhere are left in. None where it is too much to be cleaned."""
    if len(text) > LONGEST or text.count("<") > MOST or text.count("&") > _SIGNS:
        return None
    wanted, room = 0, _PICTURES

    def attribute(tag: str, name: str, value: str) -> str | None:
        nonlocal wanted, room
        if name == "href":
            return value if value.strip().lower().startswith((*_REMOTE, "mailto:")) else None
        if name != "src":
            return value
        if value.lower().startswith("cid:"):
            picture = pictures.get(value[4:].strip())
            room -= len(picture or "")
            return picture if room >= 0 else None
        if value.lower().startswith("data:"):
            return value if _SAFE_PICTURE.match(value) else None
        wanted += 1
        return value if remote and value.lower().startswith(_REMOTE) else None

    made = nh3.clean(
        text,
        tags=_TAGS,
        clean_content_tags={
            "script",
            "style",
            "title",
            "template",
            "noscript",
            "textarea",
            "svg",
            "math",
            "iframe",
            "object",
        },
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto", "cid", "data"},
        filter_style_properties=set(_PROPERTIES.split()),
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return Cleaned("".join(_links(made)), wanted)


def _links(made: str) -> Iterator[str]:
    """The same with links that tell where they lead, in pieces. In a table's cell a link may stand within a link."""
    at, left = 0, _LINKED
    opened: list[tuple[str, int]] = []  # where each leads, as it is written, and where its text begins
    for found in _ANCHOR.finditer(made):
        yield made[at : found.start()]
        at = found.end()
        if found[1] is not None:
            leads = _HREF.search(found[1])
            opened.append((leads[1] if leads else "", at))
            yield f'<a title="{leads[1]}"{_TITLE.sub("", found[1])}>' if leads else found[0]
            continue
        yield found[0]
        address, start = opened.pop() if opened else ("", at)
        left -= found.start() - start
        if address:
            yield _true(address, made[start : found.start()] if left >= 0 else None)
    yield made[at:]


def _true(address: str, inner: str | None) -> str:
    """Where the text names one host and the link leads to another, the true one stands behind it. `inner`: None where it is too much to be
    looked at."""
    host = _host(html.unescape(address))
    text = "" if inner is None else _UNSEEN.sub("", html.unescape(_TAG.sub("", inner))).strip()
    named = _LOOKS.fullmatch(text) if len(text) <= _NAME else None
    lies = inner is None or (named is not None and not _same(named[1].lower(), host))
    return f' <b class="mailhub-true">[{html.escape(host)}]</b>' if host and lies else ""


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return "?"


def _same(named: str, host: str) -> bool:
    return host == named or host.endswith("." + named) or named.endswith("." + host)


def plain(text: str) -> str:
    """A plain text as HTML, for a frame."""
    return f"<pre>{html.escape(text)}</pre>"


def page(body: str, *, dark: bool = False) -> str:
    """What the frame gets: a document of its own. `body` is clean."""
    ink = "color-scheme: dark; color: #e8ecf1; background: #11161d" if dark else "color: #18202b; background: #fff"
    return (
        '<!doctype html><html><head><meta charset="utf-8"><base target="_blank"><style>'
        f"html {{ {ink}; }} body {{ margin: 12px; font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }} "
        "img { max-width: 100%; height: auto; } pre { white-space: pre-wrap; font: inherit; margin: 0; } "
        "blockquote { margin: 0 0 0 .5em; padding-inline-start: .7em; border-inline-start: 3px solid #b8c0cc; } "
        "table { max-width: 100%; } .mailhub-true { color: #a81622; }"
        f"</style></head><body>{body}</body></html>"
    )
