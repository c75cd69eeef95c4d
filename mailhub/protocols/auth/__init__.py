"""Dovecot's authentication protocol on a unix socket: a Postfix beside us asks who may sign in (`smtpd_sasl_type = dovecot`).

Comes from: listener. Gives to: directory (Authenticator), with the client that the asker names.
May import: policy, mailbox, directory, net, wire, message, model, config.

Invariants
- The same mechanisms, rules and limits as for a client of our own: one SASL implementation serves all.
- One connection carries the dialogues of many clients; none waits for another, and their number is bounded.
- Who connects is trusted to say who asks: the socket's mode and group are the lock.
"""

from .session import serve as serve
