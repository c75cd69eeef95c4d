"""SRS addresses on a way through others' forwarders: Perl's Mail::SRS, which most of them follow."""

import shutil
import subprocess

import pytest

from mailhub.message import srs

KEY, NOW, LIFE = b"k" * 32, 1_800_000_000.0, 21 * 86_400.0
SCRIPT = "my $s = Mail::SRS->new(Secret => 'x', MaxAge => 21); print $s->%s;"


def theirs(call: str, *arguments: str) -> str:
    """What Mail::SRS says."""
    perl = shutil.which("perl")
    if perl is None or subprocess.run([perl, "-MMail::SRS", "-e", "1"], capture_output=True).returncode:
        pytest.skip("libmail-srs-perl is not installed")
    script = SCRIPT % (call + "(@ARGV)")
    done = subprocess.run([perl, "-MMail::SRS", "-e", script, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("sender", ["ann@far.test", "a.n=n+x@far.test"])
def test_we_first_and_they_second(sender: str) -> None:
    ours = srs.rewritten(sender, "one.test", KEY, NOW)
    second = theirs("forward", ours, "two.test")
    assert second.startswith("SRS1=")
    assert second.endswith("@two.test")
    assert theirs("reverse", second) == ours
    third = srs.rewritten(second, "one.test", KEY, NOW)
    assert srs.original(third, KEY, NOW, LIFE) == ours


def test_they_first_and_we_second() -> None:
    first = theirs("forward", "ann@far.test", "one.test")
    second = srs.rewritten(first, "two.test", KEY, NOW)
    assert srs.original(second, KEY, NOW, LIFE) == first
    assert theirs("reverse", first) == "ann@far.test"
    third = theirs("forward", second, "three.test")
    assert theirs("reverse", third) == first, "they leave us out, as they should"
