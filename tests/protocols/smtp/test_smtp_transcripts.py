"""Every dialogue in transcripts/, sent line by line and octet by octet."""

from pathlib import Path

import pytest
from support.smtp_transcripts import SmtpStage
from support.transcripts import LIMIT, read

from mailhub.protocols.smtp.commands import COMMANDS

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("chunk", [LIMIT, 1], ids=["lines", "octets"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_session(path: Path, chunk: int, tmp_path: Path) -> None:
    await SmtpStage(tmp_path, chunk).play(path)


def test_every_command_is_said_in_some_transcript() -> None:
    said = {step.text.partition(" ")[0].upper() for path in FILES for step in read(path) if step.kind == "C"}
    assert set(COMMANDS) <= said
