"""All mechanisms, strongest first, with what each needs."""

from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from .challenge import CramMd5, Scram
from .mechanisms import External, Login, Maker, OAuthBearer, Plain, XOAuth2


class Row(Struct, frozen=True):
    """`reason`: when it is offered; all of them only under TLS, or where auth.allow_plaintext is set."""

    make: Maker
    rfc: str
    reason: str


_SECRETS = "where SCRAM keys are stored beside passwords (auth.scram), or passwords in the clear"
MECHANISMS: Mapping[str, Row] = {
    "SCRAM-SHA-256-PLUS": Row(partial(Scram, "SCRAM-SHA-256", True), "RFC 7677", "with channel binding; " + _SECRETS),
    "SCRAM-SHA-1-PLUS": Row(partial(Scram, "SCRAM-SHA-1", True), "RFC 5802", "with channel binding; " + _SECRETS),
    "SCRAM-SHA-256": Row(partial(Scram, "SCRAM-SHA-256", False), "RFC 7677", _SECRETS),
    "SCRAM-SHA-1": Row(partial(Scram, "SCRAM-SHA-1", False), "RFC 5802", _SECRETS),
    "CRAM-MD5": Row(CramMd5, "RFC 2195", "where passwords are stored as {CRAM-MD5} or in the clear"),
    "EXTERNAL": Row(External, "RFC 4422", "where the client showed a certificate that we trust (tls.client_ca)"),
    "OAUTHBEARER": Row(OAuthBearer, "RFC 7628", "where tokens can be checked (auth.oauth)"),
    "XOAUTH2": Row(XOAuth2, "Google", "as OAUTHBEARER"),
    "PLAIN": Row(Plain, "RFC 4616", "always"),
    "LOGIN": Row(Login, "draft-murchison-sasl-login", "as PLAIN"),
}
