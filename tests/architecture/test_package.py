"""What `pip install .` would install."""

import os
import zipfile
from pathlib import Path

import pytest
from support.source import REPOSITORY, modules

import mailhub


def test_the_wheel_holds_the_package_and_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hatchling.build import build_wheel

    monkeypatch.chdir(REPOSITORY)
    wheel = zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path)))
    names = set(wheel.namelist())
    assert {module.path for module in modules()} <= names
    info = f"mailhub-{mailhub.__version__}.dist-info"
    assert b"mailhub = mailhub.cli:main" in wheel.read(f"{info}/entry_points.txt")
    assert b"License-Expression: Apache-2.0" in wheel.read(f"{info}/METADATA")
    assert f"{info}/licenses/LICENSE" in names
    assert {name.partition(os.sep)[0] for name in names} == {"mailhub", info}
