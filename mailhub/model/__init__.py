"""The nouns of the house: address, envelope, reply, errors, mailbox words, clock, ids.

Comes from: everywhere. Gives to: everywhere. May import: nothing of ours.
Invariant: plain values; only `clock` and `ids` touch the world, and they are the seams for it.
"""
