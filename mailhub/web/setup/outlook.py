"""Outlook's autodiscover in its old form ("POX"): what it asks, and what it is answered."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement, XMLParser

from mailhub.control.setup.services import Service

from .account import Account

BODY_LIMIT = 16_384  # octets of a question
_ENVELOPE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_ANSWER = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_KINDS = {"imap": "IMAP", "pop3": "POP3", "submission": "SMTP"}


class NoQuestion(ValueError):
    """It is no question that can be answered; says why."""


def address(body: bytes) -> str:
    """Whose set-up is asked for. NoQuestion for what is no such document, has a document type (entities), or wants another answer."""
    try:
        parser = XMLParser(target=_Careful())
        parser.feed(body)
        root = parser.close()
    except ElementTree.ParseError as error:
        raise NoQuestion(f"the body is no XML: {error}") from error
    found = {one.tag.rpartition("}")[2]: (one.text or "").strip() for one in root.iter()}
    if found.get("AcceptableResponseSchema", _ANSWER) != _ANSWER:
        raise NoQuestion(f"only answers of {_ANSWER} are there")
    return found.get("EMailAddress", "")


class _Careful(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise NoQuestion("a question has no document type")


def document(account: Account) -> bytes:
    root = Element("Autodiscover", xmlns=_ENVELOPE)
    answer = SubElement(root, "Response", xmlns=_ANSWER)
    SubElement(SubElement(answer, "User"), "DisplayName").text = account.address
    settings = SubElement(answer, "Account")
    SubElement(settings, "AccountType").text = "email"
    SubElement(settings, "Action").text = "settings"
    for one in (*_best(account.incoming), *_best(account.outgoing)):
        _protocol(settings, one, account)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _best(services: tuple[Service, ...]) -> list[Service]:
    """One of each protocol: Outlook takes the last of several."""
    found: dict[str, Service] = {}
    for one in services:
        found.setdefault(one.kind, one)
    return list(found.values())


def _protocol(settings: Element, service: Service, account: Account) -> None:
    made = SubElement(settings, "Protocol")
    values = {
        "Type": _KINDS[service.kind], "Server": account.host, "Port": str(service.port), "DomainRequired": "off",
        "LoginName": account.address, "SPA": "off", "SSL": "on",
        "Encryption": "SSL" if service.tls == "implicit" else "TLS", "AuthRequired": "on",
    }  # fmt: skip
    if service.kind == "submission":
        values |= {"UsePOPAuth": "off", "SMTPLast": "off"}
    for name, text in values.items():
        SubElement(made, name).text = text
