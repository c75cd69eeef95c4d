"""Thunderbird's config-v1.1.xml, which K-9, Evolution, KMail and others read, too."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from mailhub.control.setup.services import Service

from .account import Account

_SOCKETS = {"implicit": "SSL", "starttls": "STARTTLS"}


def document(account: Account) -> bytes:
    """The login is the whole address: the program puts it in."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=account.domain)
    for name, text in (
        ("domain", account.domain),
        ("displayName", account.domain),
        ("displayShortName", account.domain),
    ):
        SubElement(provider, name).text = text
    for one in account.incoming:
        _server(provider, "incomingServer", one.kind, one, account)
    for one in account.outgoing:
        _server(provider, "outgoingServer", "smtp", one, account)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _server(provider: Element, tag: str, kind: str, service: Service, account: Account) -> None:
    server = SubElement(provider, tag, type=kind)
    values = {
        "hostname": account.host, "port": str(service.port), "socketType": _SOCKETS[service.tls],
        "authentication": "password-cleartext", "username": "%EMAILADDRESS%",
    }  # fmt: skip
    for name, text in values.items():
        SubElement(server, name).text = text
