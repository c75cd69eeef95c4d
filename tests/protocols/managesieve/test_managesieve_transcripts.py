"""Every dialogue in transcripts/, sent line by line and octet by octet."""

from pathlib import Path

import pytest
from support.managesieve_transcripts import ManagesieveStage
from support.transcripts import LIMIT

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("chunk", [LIMIT, 1], ids=["lines", "octets"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_dialogue(path: Path, chunk: int, tmp_path: Path) -> None:
    await ManagesieveStage(tmp_path, chunk).play(path)


def test_there_are_dialogues() -> None:
    assert len(FILES) >= 6
