"""Proofs that an ACME authority asks for (RFC 8555 section 8), and who has them ready: here by http-01."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct


class Proof(Struct, frozen=True):
    """For a name, without "*.". `answer`: the key authorization (section 8.1)."""

    name: str
    token: str
    answer: str


class Solver(Protocol):
    """`kind`: of its challenges, such as "http-01". While `present` is entered the proof is there to be seen."""

    kind: str

    def present(self, proof: Proof) -> AbstractAsyncContextManager[object]: ...


class Challenges:
    """A Solver: tokens that are asked for at /.well-known/acme-challenge/ now (section 8.3)."""

    kind = "http-01"

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}

    def answer(self, token: str) -> str | None:
        return self._answers.get(token)

    @contextlib.asynccontextmanager
    async def present(self, proof: Proof) -> AsyncIterator[None]:
        self._answers[proof.token] = proof.answer
        try:
            yield
        finally:
            self._answers.pop(proof.token, None)
