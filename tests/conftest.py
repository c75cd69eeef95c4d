"""`stores` and `store`: each test that asks for one of them holds for both kinds."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mariadb import Mariadb, mariadb
from support.stores import KINDS, Stores, emptied


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Mariadb]:
    with mariadb() as server:
        yield server


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        yield Stores(tmp_path, None)
        return
    with emptied(request.getfixturevalue("mariadb_server"), tmp_path) as made:
        yield made


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[Any]:
    made = stores.make()
    await made.open()
    yield made
    await made.close()
