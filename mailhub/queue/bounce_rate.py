"""How many reports one address gets in an hour: mail that is answered by machines, or forged, must not come back as a flood."""

from collections import OrderedDict

_WINDOW = 3_600.0  # seconds
_ADDRESSES = 10_000  # remembered; the one whose hour began first is forgotten first


class BounceRate:
    """Counts by address, an hour from its first report on."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allows(self, address: str, now: float, limit: int) -> bool:
        """Count one more. `limit` 0: no limit."""
        if not limit:
            return True
        began, count = self._counts.get(address, (now, 0))
        if not 0 <= now - began < _WINDOW:
            began, count = now, 0
            self._counts.pop(address, None)
        self._counts[address] = (began, count + 1)
        if len(self._counts) > _ADDRESSES:
            self._counts.popitem(last=False)
        return count < limit
