"""What a hub does by itself when its time has come.

Comes from: hub (a core task for each job). Gives to: queue (mail that is born here), delivery, store.api, net.
May import: queue, delivery, store.api, net, message, model, config. Never a protocol.

Invariants
- Time is the hub's clock; what was due while the hub was down is done after the next start.
- What can not be done now is tried again, and given up in time. No failure of a job stops the hub.
"""
