"""Mail for users of the system (local(8)): their .forward, their mailboxes and programs, written and run as them by the deputy.

Comes from: router, queue.attempt (jobs). Gives to: deputy. May import: delivery.transport and pipe, directory, deputy, store.api,
message, model, config.

    routing     the way of a user's mail: .forward, another transport, or the transport below
    transport   a job as requests to the deputy; a Result for each recipient
    spooled     the message in a file without a name, as the deputy is handed it

What .forward names becomes recipients of their own in the queue, so that what was done is not done again (model.steps).

Invariants
- A mailbox gets each delivery once, whole, or not yet: the deputy cuts back what was not finished, and where a delivery may have been
  made before it is looked for. Who takes the message out of the mailbox in between gets it a second time.
- A command that has ended well has the mail, as with `pipe`.
"""
