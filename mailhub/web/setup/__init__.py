"""What mail programs, mail servers and people ask a host to be told how it is reached: Thunderbird's, Outlook's and Apple's set-up, the
MTA-STS policy, a page. Nobody signs in.

Invariants
- Only for domains of ours, and the same whether or not an account is there.
- What a client gives comes back escaped by the library that writes the document, or not at all.
"""
