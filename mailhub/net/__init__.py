"""Bytes and DNS answers: streams, TLS, the resolver.

Comes from: protocols, jobs, policy, delivery.relay, directory.oauth. Gives to: the operating system's network. May import: model, config. Never: mail.

Invariants
- What is read is bounded before it is parsed; a peer that does not read stops us writing.
- No name is resolved but by `resolver`; its cache is the only one and lives on the clock.
"""
