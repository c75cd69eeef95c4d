"""`stores` and `store`: each test that asks for one of them holds for both kinds."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.galera import Node, galera
from support.mariadb import Mariadb, mariadb
from support.stores import KINDS, Stores, emptied


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Mariadb]:
    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def galera_node() -> Iterator[Node]:
    """The first of three."""
    with galera() as nodes:
        yield nodes[0]


@pytest.fixture(params=[pytest.param(kind, marks=[pytest.mark.slow] if kind == "galera" else []) for kind in KINDS])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        yield Stores(tmp_path, None)
        return
    server = {"mariadb": "mariadb_server", "galera": "galera_node"}[request.param]
    with emptied(request.getfixturevalue(server), tmp_path) as made:
        yield made


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[Any]:
    made = stores.make()
    await made.open()
    yield made
    await made.close()
