"""The deputy: one small process that acts with the rights of the system's users, and only where [local] system_users asks for it.

Comes from: hub (starts it before root is dropped), directory and delivery (ask it, through `client`). Gives to: users' mailboxes and
programs. May import: message, model.

    words     what may be asked, and what is answered; the settings it is started with
    client    the asking side, in the server's process
    process   the deputy itself: takes requests, makes a child for each, bounds it, answers
    rights    users through NSS; how a child becomes one of them; networks
    child     what a child does, by the kind of the request
    mailbox, dotlock, maildir, forward, programs: the deeds
    exits     how they end

Invariants
- The deputy parses requests and forks; all else is done by a child that has become the user first, for good. It opens no file of
  anybody, asks no NSS, holds no socket but the one to the server.
- A child becomes nobody whose number is 0.
- A user's program or file is used only where it stands in the operator's settings or in the user's own .forward, read again as
  that user: a server that was taken over can not name others.
- Each request is bounded in size, time and output; whoever asks for more is answered, not served.
- docs/SECURITY.md says what this stops and what not.
"""
