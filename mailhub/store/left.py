"""The mark of a store that all was moved away from: in its table `meta`, where it went."""

LEFT = "left"


def left_behind(store: str, target: str) -> str:
    """What nobody who would open it is spared."""
    return (
        f"all of {store} was moved to {target}: start mailhub there. What waited in the queue is in both; `mailhub store reopen`"
        " makes this one usable again"
    )
