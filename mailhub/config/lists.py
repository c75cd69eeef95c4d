"""The part of [smtp] that restriction lists have: which there are, when they answer, and with what code."""

from typing import Annotated, Literal

from msgspec import Meta

from .milters import Milters

ReplyCode = Annotated[int, Meta(ge=400, le=599)]
DeferCode = Annotated[int, Meta(ge=400, le=499)]


class Lists(Milters, frozen=True, kw_only=True):
    # What is looked at, in this order, at each RCPT; the last two when the message comes, and when it is there. The words are
    # Postfix's (smtpd(8), access(5)). Relaying needs a permit of relay_restrictions.
    client_restrictions: tuple[str, ...] = ()
    helo_restrictions: tuple[str, ...] = ()
    sender_restrictions: tuple[str, ...] = ()
    relay_restrictions: tuple[str, ...] = (
        "permit_mynetworks", "permit_sasl_authenticated", "reject_unauth_destination",
    )  # fmt: skip
    recipient_restrictions: tuple[str, ...] = ()
    data_restrictions: tuple[str, ...] = ()
    end_of_data_restrictions: tuple[str, ...] = ()
    # Answer at RCPT what client, helo and sender restrictions refuse; false: at the connection, at HELO and at MAIL.
    delay_reject: bool = True
    # Where DNS can not tell whether a domain is known: 450 only if nothing else refuses for good, or 450 at once.
    reject_tempfail_action: Literal["defer_if_permit", "defer"] = "defer_if_permit"
    # What is answered by REJECT and DEFER of tables, by the words "reject" and "defer", to a client without a name, a host or a
    # domain that DNS does not know, names that are none or not full ones, unknown recipients, and who may not relay.
    access_map_reject_code: ReplyCode = 554
    access_map_defer_code: DeferCode = 450
    reject_code: ReplyCode = 554
    defer_code: DeferCode = 450
    unknown_client_reject_code: ReplyCode = 450
    unknown_hostname_reject_code: ReplyCode = 450
    unknown_address_reject_code: ReplyCode = 450
    invalid_hostname_reject_code: ReplyCode = 501
    non_fqdn_reject_code: ReplyCode = 504
    unknown_local_recipient_reject_code: ReplyCode = 550
    relay_domains_reject_code: ReplyCode = 554
