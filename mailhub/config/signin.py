"""The options of signing in: [auth], [auth.oauth] and [auth_socket]."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Name, Seconds, Section


class OAuth(Section, frozen=True, kw_only=True):
    # Tokens that mail programs show (OAUTHBEARER, XOAUTH2). JWTs are checked by the keys of who issues them (a JSON Web Key Set):
    # a file, or a URL. "": not taken.
    jwks: str = ""
    # Others, or all where `jwks` is empty, by asking him (RFC 7662): a URL, and a file with one line "client_id:client_secret".
    introspection: str = ""
    introspection_client: str = ""
    # What has to stand in a token: its `iss`, one of these `aud`, all of these scopes; "" and empty: anything (not with `jwks`).
    issuer: str = ""
    audience: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    # The claim that names the account.
    claim: Name = "email"
    # Signatures that are taken.
    algorithms: tuple[
        Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...
    ] = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
    # How far clocks may differ.
    leeway: Annotated[float, Meta(ge=0, le=600)] = 30.0
    # How long keys are used before they have to be read again; the shortest time between two readings, whatever tokens come.
    keys_seconds: Annotated[float, Meta(ge=60, le=366 * 86400)] = 3_600.0
    keys_interval: Annotated[float, Meta(ge=1, le=86400)] = 30.0
    # How long an answer is remembered (never longer than the token lives), and how many.
    cache_seconds: Seconds = 60.0
    cache_limit: Count = 10_000
    # Time for an answer; requests under way at one time: further logins are answered "try again later".
    timeout: Annotated[float, Meta(ge=0.1, le=600)] = 10.0
    request_limit: Annotated[int, Meta(ge=1, le=1_000)] = 50


Mechanism = Literal[
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "EXTERNAL", "OAUTHBEARER", "XOAUTH2",
    "PLAIN", "LOGIN",
]  # fmt: skip


class Auth(Section, frozen=True, kw_only=True):
    # Allow PLAIN, LOGIN, USER/PASS in the clear, on connections without TLS.
    allow_plaintext: bool = False
    # Where passwords are checked, in this order until one says yes: "directory", "saslauthd:PATH", "dovecot:PATH",
    # "authdaemon:PATH" (sockets), "passwd-file:PATH", "table:mysql:PATH" (any lookup table of {SCHEME}hash values).
    providers: tuple[str, ...] = ("directory",)
    # The domain of a login that has none; "": such a login is taken as it is.
    default_domain: str = ""
    # Whoever another provider lets in gets an account at the first POP3 or IMAP login; else those are refused.
    create_accounts: bool = False
    # SASL mechanisms that may be offered; empty: all that can work (`mailhub config -a` lists them).
    mechanisms: tuple[Mechanism, ...] = ()
    # Wrong passwords after which a session ends.
    failure_limit: Count = 3
    # Time that passes before a wrong password is answered.
    failure_delay: Seconds = 1.0
    # From the third in an hour on, by one client or for one account, that time doubles up to this.
    failure_delay_max: Seconds = 16.0
    # How long a right password is remembered, as an HMAC under a key of this process; 0: never.
    cache_seconds: Seconds = 300.0
    # How a new password is stored, and the SCRAM keys kept beside it so that clients need not send it. A login whose stored
    # password is in another scheme has it written anew where `rehash` says so.
    scheme: Literal[
        "ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "PBKDF2", "PLAIN-MD5", "LDAP-MD5", "SMD5",
        "SHA", "SHA1", "SSHA", "SHA256", "SSHA256", "SHA512", "SSHA512", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "PLAIN",
    ] = "ARGON2ID"  # fmt: skip
    scram: tuple[Literal["SCRAM-SHA-1", "SCRAM-SHA-256"], ...] = ("SCRAM-SHA-256",)
    scram_iterations: Annotated[int, Meta(ge=4_096, le=10_000_000)] = 20_000
    rehash: bool = True
    # An account with a second factor takes its password at the web login only; mail programs need app passwords.
    second_factor_closes_protocols: bool = True
    # Threads for password hashes, and logins that may wait for one.
    threads: Annotated[int, Meta(ge=1, le=64)] = 2
    backlog: Count = 256
    oauth: OAuth = OAuth()


class AuthSocket(Section, frozen=True, kw_only=True):
    """Of listeners with `protocol = "auth"`."""

    # Octets of one line: a token has 8,192 at most.
    line_length_limit: Count = 16_384
    # Dialogues of one connection under way at one time; further ones are answered "try again later".
    request_limit: Count = 100
    # Time for a client's next word in a dialogue.
    request_timeout: Seconds = 150.0
