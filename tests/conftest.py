"""`stores` and `store`: each test that asks for one of them holds for both kinds. Large bodies of a Galera cluster lie in S3."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.galera import Node, galera
from support.mariadb import Mariadb, mariadb
from support.radosgw import Radosgw, installed, radosgw
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


@pytest.fixture(scope="session")
def gateway() -> Iterator[Radosgw]:
    """An S3 server, and the login to it in the environment. Skips the test where it can not be had."""
    with radosgw() as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        made.bucket("mail")
        yield made


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where bodies of a Galera cluster lie, another each time; "", which is a folder, where there is no S3 server."""

    def made() -> Iterator[str]:
        here = request.getfixturevalue("gateway") if installed() else None
        for number in count():
            yield f"s3://mail/{number}" if here else ""

    return made()


@pytest.fixture(params=[pytest.param(kind, marks=[pytest.mark.slow] if kind == "galera" else []) for kind in KINDS])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        yield Stores(tmp_path, None)
        return
    if request.param == "mariadb":
        cluster, objects = request.getfixturevalue("mariadb_server"), ""
    else:
        cluster, objects = request.getfixturevalue("galera_node"), next(request.getfixturevalue("places"))
    with emptied(cluster, tmp_path, objects=objects) as made:
        yield made


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[Any]:
    made = stores.make()
    await made.open()
    yield made
    await made.close()
