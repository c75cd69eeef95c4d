"""What is taken in is kept until every recipient is dealt with: delivered, bounced, or removed by the operator.

Comes from: policy (put), control (inspect). Gives to: delivery (jobs), store.api (units).
May import: delivery, store.api, message, model, config. Never: SMTP, Maildir, a database driver.

Invariants
- The store is the queue; what is in memory is leased from it and can be lost at any moment.
- An attempt ends in one unit for each job: outcomes, children, reports. Until then nothing has happened.
- An unknown failure is a deferral. Mail expires only after an attempt made past its deadline in this process.
"""
