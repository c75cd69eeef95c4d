"""The HTTP interface for operators and owners (`/api/mailhub/v1/`): each action of control, for who shows a token that may do it, and for
an administrator's browser; an account's own quarantine, for who has its password.

Invariants
- Nothing is read of a request's body before it is known who asks.
- No token makes, lists or removes tokens. That is done by command, or by an administrator's browser; to make one takes the password again.
- A wrong token and a wrong password count as failed logins of that client.
"""
