"""HTML as text: what people read, and what hostile mail does not do to it."""

import sys
from collections.abc import Callable

import pytest

from mailhub.message.html_text import read, unescape
from mailhub.message.preview import preview

READ = [
    ("<p>One <b>two</b></p><p>three", "One two\n\nthree"),
    ("a<br>b<BR/>c", "a\nb\nc"),
    ("<head><title>no</title></head><body>yes</body>", "yes"),
    ("<head>no<body>yes", "yes"),
    ("<script>if (a<b) no</script>yes<style>p > no</style>", "yes"),
    ("<script>no </scripty> no</SCRIPT >yes", "yes"),
    ("a <!-- no > no --> b", "a b"),
    ("<![if !mso]>yes<![endif]><?xml no?><!DOCTYPE no>", "yes"),
    ("1 < 2 && 3 > 2 &lt;b&gt; &#20013;", "1 < 2 && 3 > 2 <b> 中"),
    ('<a title="no > no">yes</a>', "yes"),
    ('<a title="never closed>yes', "yes"),
    ("<a x='>'\">yes", "yes"),
    ("yes<a href=x", "yes"),
    ("yes<!-- never closed <p>no", "yes"),
    ("yes<script>never closed", "yes"),
    ("</ x>yes</>", "yes"),
]
LINKS = [
    ('<a href="http://a.example/?x=1&amp;y=2">', ("http://a.example/?x=1&y=2",)),
    ("<A class=x HREF = 'b' href=no>", ("b",)),
    ('<a title=" href=no " data-href="no" href=c/d>', ("c/d",)),
    ("<area href=e><a name=no><link href=no></a href=no>", ("e",)),
    ('<a href="f>', ()),
]
HOSTILE = [
    "<a ", "<a", "<!--", "<!", "<?", "</", "<![", "<![x", "<!DOCTYPE [", "&#", "&", "<a x=\"", "<a x='\"", "<a x=' y=\"", "<script>", "</scrip",
    "<title>", "<a href=\"", "<a href='\" ", "<p>", "<", "<a\t", "=\"'", "<!-->", "<head><body>",
]  # fmt: skip


@pytest.mark.parametrize(("html", "text"), READ)
def test_what_a_person_reads(html: str, text: str) -> None:
    assert read(html).text == text


@pytest.mark.parametrize(("html", "links"), LINKS)
def test_where_its_links_go(html: str, links: tuple[str, ...]) -> None:
    assert read(html).links == links


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_cost_grows_with_the_length_alone(piece: str) -> None:
    """Counted in lines of Python that run, so that a slow machine makes no difference; html.parser does 60 times as much for 8 times "<a "."""
    few, many = (_lines(lambda times=times: read(piece * times)) for times in (100, 800))  # type: ignore[misc]
    assert many <= 9 * few + 100


def test_a_large_mail_of_broken_tags_is_read_at_all() -> None:
    """Hours for a reader that looks again and again for what is not there: a regular expression's work is no line of Python."""
    for piece in HOSTILE:
        assert len(read(piece * 100_000).text) <= len(piece) * 100_000


def test_numbers_of_thousands_of_digits_are_no_characters() -> None:
    for text in ("&#" + "1" * 5_000 + ";", "&#x" + "f" * 5_000):
        assert unescape(f"a{text}z") == "a\ufffdz"
        assert preview(b"Content-Type: text/html\r\n\r\na" + text.encode() + b"z") == "a\ufffdz"
    assert unescape("&#65;&#x42;&amp;&#00000000065;") == "AB&\ufffd"


def _lines(work: Callable[[], object]) -> int:
    count = 0

    def line(frame: object, event: str, _: object) -> object:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(before)
    return count
