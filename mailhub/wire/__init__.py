"""Grammars and state tables of the mail protocols, without I/O: bytes in, values out, and back.

Comes from: protocols, delivery.relay. Gives to: nobody below but `model`. May import: model.
Never: asyncio, socket, ssl, time. Invariant: no input makes a reader raise anything but the error it names.
"""
