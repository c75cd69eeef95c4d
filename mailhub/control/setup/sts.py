"""Our own MTA-STS policy (RFC 8461 section 3.2): its text, and the id that changes with it. Pure."""

import hashlib

from mailhub.config.schema import Config

from .services import mail_by_tls, mail_hosts


def policy(config: Config) -> str:
    """What stands at https://mta-sts.DOMAIN/.well-known/mta-sts.txt; "" where there is none, or could not be kept."""
    setup = config.setup
    if setup.mta_sts == "off" or not mail_by_tls(config):
        return ""
    hosts = mail_hosts(config) if setup.mta_sts != "none" else ()
    lines = ["version: STSv1", f"mode: {setup.mta_sts}", *(f"mx: {host}" for host in hosts)]
    return "\r\n".join([*lines, f"max_age: {setup.mta_sts_max_age}", ""])


def policy_id(config: Config) -> str:
    """1 to 32 letters and digits (section 3.1)."""
    return hashlib.sha256(policy(config).encode()).hexdigest()[:20]
