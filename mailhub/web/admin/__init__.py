"""The pages of administration, at `/admin`: static files alone. What they show and do, they ask of the HTTP interface (`web.operator`)
with the session of the browser, which has to be an administrator's (`[web] admins`).

Invariants
- Nothing that is served here says anything of this server: who is no administrator gets the files, and nothing else.
"""
