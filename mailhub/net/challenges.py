"""Proofs of ACME's http-01 that are asked for now (RFC 8555 section 8.3)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Present = Callable[[str, str], AbstractContextManager[object]]


class Challenges:
    """Tokens that are asked for at /.well-known/acme-challenge/ now, with what proves that we have the account's key (section 8.3)."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}

    def answer(self, token: str) -> str | None:
        return self._answers.get(token)

    def present(self, token: str, answer: str) -> AbstractContextManager[object]:
        return _Presented(self._answers, token, answer)


class _Presented(AbstractContextManager[None]):
    def __init__(self, answers: dict[str, str], token: str, answer: str) -> None:
        self._answers, self._token, self._answer = answers, token, answer

    def __enter__(self) -> None:
        self._answers[self._token] = self._answer

    def __exit__(self, *error: object) -> None:
        self._answers.pop(self._token, None)
