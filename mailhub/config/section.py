"""What every section of the configuration is made of."""

from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Limit = Annotated[int, Meta(ge=0, le=1_000_000_000)]  # 0: none
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Octets = Annotated[int, Meta(ge=0, le=1 << 40)]
Seconds = Annotated[float, Meta(ge=0, le=366 * 86400)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    """Base of all sections."""
