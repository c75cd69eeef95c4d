"""Who stands for whom: the tables of [aliases], and what is in their lists.

Comes from: delivery.router. Gives to: `tables` (look-ups). May import: tables, message, model, config.

    mapping     an address through a table by the keys of virtual(5) and canonical(5)
    names       alias_maps with their owners, virtual_alias_maps, relocated_maps, luser_relay
    includes    :include: files, a part at a time
    command     `|command`: a shell's command by the pipe transport
    file        `/file`: an mbox or a Maildir of the operator's

Invariants
- Only the operator's files make commands and files of a recipient, and only in the kinds of lists that he allows.
- A list of any length is read, and becomes recipients, in parts; a part is replaced by its members and the rest in one unit.
"""
