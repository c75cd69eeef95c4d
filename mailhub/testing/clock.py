"""The hand on a virtual clock."""

from mailhub.model.clock import Clock, VirtualClock


class AsyncTestClock:
    """`await hub.clock.advance(days=5)`: all that would happen in that time happens now, in its order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        """Seconds since 1970 on the server's clock."""
        return self._clock.now()

    async def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """Go on by so much, from deadline to deadline; what each sets off has ended before the next. TypeError on real time."""
        await self.virtual.advance(seconds + 60 * minutes + 3_600 * hours + 86_400 * days)

    @property
    def virtual(self) -> VirtualClock:
        if not isinstance(self._clock, VirtualClock):
            raise TypeError("this server runs on real time: leave `clock` out, and it will run on virtual time")
        return self._clock
