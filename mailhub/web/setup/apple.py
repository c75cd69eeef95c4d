"""A profile for Apple's Mail (.mobileconfig)."""

import plistlib
import uuid

from .account import Account

KIND = "application/x-apple-aspen-config"


def document(account: Account) -> bytes:
    """With no address given Mail asks for it. Needs a service to read mail by, and one to send it by."""
    incoming, outgoing = account.incoming[0], account.outgoing[0]
    unique = uuid.uuid5(uuid.NAMESPACE_DNS, f"{account.domain}/{account.address}")
    mail = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{_reversed(account.domain)}.mail",
        "PayloadUUID": str(uuid.uuid5(unique, "mail")).upper(),
        "PayloadDisplayName": account.address or account.domain,
        "EmailAccountType": "EmailTypeIMAP" if incoming.kind == "imap" else "EmailTypePOP",
        "EmailAccountDescription": account.domain,
        "IncomingMailServerHostName": account.host,
        "IncomingMailServerPortNumber": incoming.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": account.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    if account.address:
        mail |= {
            "EmailAddress": account.address,
            "IncomingMailServerUsername": account.address,
            "OutgoingMailServerUsername": account.address,
        }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": _reversed(account.domain),
            "PayloadUUID": str(unique).upper(),
            "PayloadDisplayName": f"Mail of {account.domain}",
            "PayloadOrganization": account.domain,
            "PayloadContent": [mail],
        }
    )


def _reversed(domain: str) -> str:
    return ".".join(reversed(domain.split(".")))
