"""Backups of a running server, and what is made of them again.

Comes from: `control.backups`, in a process of its own beside the server. Gives to: a folder DIR, and a data folder.

    DIR/mailhub-backups         says that this is one, and its format
    DIR/lock                    held by who writes here
    DIR/objects/ab/cdef...      octets, each once, by their SHA-256
    DIR/2026-11-27T01-30-00Z/   a backup: `backup.json` (its head), `files` (its manifest), `mailhub.db`, `junk.db`
    DIR/....partial/            one that was broken off, or is under way; never read

Nothing in a backup is trusted before its digest was seen, and no name in it leaves the folder it belongs to.
"""
