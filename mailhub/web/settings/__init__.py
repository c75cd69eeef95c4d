"""What an account decides for itself by HTTP (`/api/mailhub/v1/own/`): preferences, password and what opens it beside, forwards, filters.

May import `control`, `mailbox`, `directory` and below, as its neighbours do. What opens an account is changed by a browser that has shown the
password lately, and by nothing else (`passwords`).
"""
