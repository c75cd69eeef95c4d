"""The HTTP interface for owners of accounts (`/api/mailhub/v1/own/`): their part of the quarantine, and mail that they send."""
