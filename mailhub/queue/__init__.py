"""Accepted mail until it is delivered, bounced or removed: Postfix's qmgr and bounce in coroutines.

Comes from: policy and jobs (spool.put). Gives to: delivery (jobs), store.api (units), control (inspect).
May import: delivery, store.api, message, model, config, log. Never SMTP, Maildir or a database driver.

    spool         the way in: durable first, then straight into the active set
    manager       takes what is due into the active set, never more than fits, and wakes when the next is due
    active        how full it is, and of whose mail: whose turn it is not
    attempt       one message: routes, expansion or jobs, results into settling units
    destinations  slots for deliveries: fair between destinations, bounded for each and in all, fewer where there is trouble
    schedule      when the next attempt is, when the sender is told, when to give up (pure)
    waits         how long delivery took, counted by spans (pure)
    bounce        reports to the sender: what is told, to whom, how often (bounce_rate), what goes back (returned)
    confidential  aliases whose targets no report names (pure)
    suppression   addresses that refused mail for good, again and again
    words         what became of an attempt, for log and trace (pure)
    plan          children for aliases, jobs for destinations (pure)

What is where, in which state (a recipient):

    INCOMING   stored, not tried yet              the manager has it leased, or will find it due
    ACTIVE     leased by this process; the next opening of the store turns it back into what it was
    DEFERRED   stored with the last reply and a due time
    HOLD       stored, left alone until released by an operator
    CORRUPT    stored, unreadable, set aside by the store
    gone       delivered, relayed, failed or expanded: left in the settling unit, with the bounce it caused

Invariants
- Nothing leaves the queue but by a settling unit or an operator's remove.
- What a transport did is recorded before anything else happens to the message; stopping never comes between.
- A recipient expires only after an attempt that began past its deadline, or found its destination resting after trouble with
  others' mail. Unknown failures are temporary.
- Nobody's mail fills the active set. What is not leased waits in the store, whatever there is of it.
- A bounce has the null sender. Mail with the null sender goes to postmaster where it can not be delivered, and from there
  nowhere.
"""
