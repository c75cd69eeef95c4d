"""An hour of life: a real server under mixed load, random faults and SIGKILLs, and an audit of what it promised.

    python -m bench.soak [--minutes N] [--seed N] [--json FILE]

`traffic` talks to it as mail programs do and writes into the `ledger` what was promised (250, OK) and what was seen; `far` is the
host that mail is relayed to, which misbehaves; `faults` are what happens to the server; `audit` compares at the end. All in
loopback, a few dozen messages a second.
"""
