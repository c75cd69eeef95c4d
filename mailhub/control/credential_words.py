"""What can be asked about app passwords and second factors."""

from typing import Annotated

from msgspec import Meta, Struct

from .mailbox_words import Address
from .request import Done, Request


class AppPassword(Struct, frozen=True, kw_only=True):
    """A password of one program, without the password. `services` empty: all. `used`: wall time to the hour, 0: never."""

    name: str
    services: tuple[str, ...]
    created: float
    used: float
    client: str


class Generated(Struct, frozen=True, kw_only=True):
    """A password, told this once."""

    password: str


class Enrolment(Struct, frozen=True, kw_only=True):
    """A second factor that waits for its first code. `uri`: the same for a QR code."""

    secret: str
    uri: str
    recovery: tuple[str, ...]


class AppPasswordAdd(Request[Generated], frozen=True, kw_only=True, tag="app-password.add"):
    address: Address
    name: Address
    services: Annotated[tuple[str, ...], Meta(max_length=10)] = ()


class AppPasswordList(Request[tuple[AppPassword, ...]], frozen=True, kw_only=True, tag="app-password.list"):
    address: Address


class AppPasswordRemove(Request[Done], frozen=True, kw_only=True, tag="app-password.remove"):
    address: Address
    name: Address


class SecondFactorBegin(Request[Enrolment], frozen=True, kw_only=True, tag="second-factor.begin"):
    address: Address


class SecondFactorConfirm(Request[Done], frozen=True, kw_only=True, tag="second-factor.confirm"):
    address: Address
    code: Address


class SecondFactorRemove(Request[Done], frozen=True, kw_only=True, tag="second-factor.remove"):
    """The account's passkeys go, too."""

    address: Address
