from mailhub.model.reply import Reply
from mailhub.wire.smtp import greeting, render


def test_one_line_and_several() -> None:
    assert render(Reply(250, "2.0.0", "Ok")) == b"250 2.0.0 Ok\r\n"
    assert render(Reply(354, "", "Go")) == b"354 Go\r\n"
    assert render(Reply(214, "2.0.0", "a\nb")) == b"214-2.0.0 a\r\n214 2.0.0 b\r\n"
    assert greeting("mx.example", ["SIZE 1", "HELP"]) == b"250-mx.example\r\n250-SIZE 1\r\n250 HELP\r\n"


def test_no_text_forges_a_reply_or_breaks_the_line_limit() -> None:
    assert render(Reply(550, "5.1.1", "x\r250 ok\0\x85ü")) == b"550 5.1.1 x?250 ok???\r\n"
    assert len(render(Reply(550, "5.1.1", "y" * 9_000))) == 512
