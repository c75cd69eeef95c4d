"""NOOP after NOOP on an IMAP connection, from a process of its own, so that nothing but the server and the machine holds them up.

    python -m bench.noops HOST PORT USER PASSWORD

Says "ready" once it is signed in, and, when its input ends, how long each took, as JSON in seconds.
"""

import imaplib
import json
import select
import sys
import time

_PAUSE = 0.005  # seconds between two


def main() -> None:
    host, port, user, password = sys.argv[1:]
    times: list[float] = []
    with imaplib.IMAP4(host, int(port), timeout=60) as imap:
        imap.login(user, password)
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], _PAUSE)[0]:
            began = time.perf_counter()
            imap.noop()
            times.append(time.perf_counter() - began)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
