"""What waits in the queue, as a test sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """One recipient of a queued message. `reason`: what the last attempt came to; `seconds`: until the next one."""

    queue_id: str
    sender: str
    recipient: str
    state: str
    attempts: int
    reason: str
    seconds: float

    def __str__(self) -> str:
        after = f" after {self.attempts} attempts" if self.attempts != 1 else " after 1 attempt"
        again = f"next in {self.seconds:.0f} s" if self.state != "hold" else "held"
        return f"{self.queue_id} to {self.recipient}: {self.state}{after}, {again}; {self.reason or 'not tried yet'}"
