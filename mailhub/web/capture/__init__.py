"""Captured mail by HTTP: our own interface, those of Mailpit and MailHog in their shapes, and the page. In capture mode only."""
