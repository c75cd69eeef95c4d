"""The operator's actions, once: what the command line, and later the admin page and the API, can do.

Comes from: `cli` (beside a running server by `client`, on a stopped one by `offline`). Gives to: directory, queue, mailbox.
May import: queue, policy, mailbox, directory, store.api, net, message, model, config; `offline` opens the store itself.

Invariants
- Every action is a request value of `words` and answered by a value of `words`; nothing here prints or draws.
- The socket lies in the data folder, mode 0600: who may open it, may do all.
- Requests, answers and connections are bounded; a list is given in pages.
"""
