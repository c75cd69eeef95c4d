"""What can be asked about quotas, and what is answered."""

from typing import Annotated

from msgspec import Meta, Struct

from .mailbox_words import Address
from .request import Request

Amount = Annotated[int, Meta(ge=0, le=1 << 60)]


class QuotaState(Struct, frozen=True, kw_only=True):
    """What an account holds and may hold, octets and messages; 0: no limit. Of "@domain": what its accounts may hold."""

    address: str
    storage: int
    messages: int
    storage_limit: int
    message_limit: int


class QuotaGet(Request[QuotaState], frozen=True, kw_only=True, tag="quota.get"):
    """`address`: of an account, or "@domain"."""

    address: Address


class QuotaSet(Request[QuotaState], frozen=True, kw_only=True, tag="quota.set"):
    """Limits of its own: None: as the domain, or the configuration says; 0: none."""

    address: Address
    storage: Amount | None = None
    messages: Amount | None = None


class QuotaRecalculate(Request[QuotaState], frozen=True, kw_only=True, tag="quota.recalculate"):
    """Count anew what an account holds."""

    address: Address
