"""`"credential:NAME"`, wherever an option is the path of a file: the file of that name that systemd keeps for this service
(LoadCredential=, systemd.exec(5)), in the folder that $CREDENTIALS_DIRECTORY names. Pure: the file is read by who needs it.
"""

from collections.abc import Mapping
from typing import Any

from .findings import Finding

PREFIX = "credential:"
VARIABLE = "CREDENTIALS_DIRECTORY"
_USUAL = "/run/credentials/mailhub.service"


def of_commands(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command, which no unit begins: credentials are where the service has them."""
    return {VARIABLE: _USUAL, **environ}


def placed(value: Any, folder: str, findings: list[Finding], path: tuple[str | int, ...] = ()) -> Any:
    """`value`, a document or a part of it, with paths instead; what can not be one is a finding."""
    if isinstance(value, dict):
        return {key: placed(one, folder, findings, (*path, key)) for key, one in value.items()}
    if isinstance(value, list):
        return [placed(one, folder, findings, (*path, n)) for n, one in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    name = value.removeprefix(PREFIX)
    if not folder:
        findings.append(Finding(path, value, f"a path, where ${VARIABLE} is not set: LoadCredential= in the unit"))
    elif name in ("", ".", "..") or "/" in name:
        findings.append(Finding(path, value, f"{PREFIX}NAME, without a slash"))
    return f"{folder}/{name}"
