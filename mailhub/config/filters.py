"""What is asked about a message before it is taken, and what follows: [filter], and a section for each check."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Section

Score = Annotated[float, Meta(ge=-1_000, le=1_000)]
Threshold = Annotated[float, Meta(ge=0, le=1_000)]


class Filter(Section, frozen=True, kw_only=True):
    # The name under which Authentication-Results of ours are known (RFC 8601); "": the host's name. Others' fields of that name are
    # taken out of mail that strangers bring.
    authserv_id: str = ""
    # The scores of all checks are added. From these sums on a message is: marked in X-Mailhub-Verdict, filed in the Junk folder, held
    # in the queue for an operator, told to come again (451), refused (550). 0: never.
    tag_score: Threshold = 4.0
    junk_score: Threshold = 6.0
    quarantine_score: Threshold = 0.0
    tempfail_score: Threshold = 0.0
    reject_score: Threshold = 15.0


class Check(Section, frozen=True, kw_only=True):
    """What the sections of all checks have."""

    enabled: bool = True
    # Time for an answer.
    time_limit: Annotated[float, Meta(ge=0.1, le=600)] = 30.0
    # What is done with a message where there is none in time, or the check breaks: try again later (451), take it as if
    # nothing had been asked, or take it and say so in X-Mailhub-Verdict.
    failure: Literal["tempfail", "accept", "mark"] = "mark"


class Spf(Check, frozen=True, kw_only=True):
    # Where the client may not send for the domain of the sender (RFC 7208): refuse the message (550), or only add to the score.
    reject: bool = False
    # What is added to the score by each result; "none" and "neutral" add nothing.
    fail_score: Score = 4.0
    softfail_score: Score = 1.5
    permerror_score: Score = 0.5
    pass_score: Score = 0.0


class Greylist(Check, frozen=True, kw_only=True):
    # How long a stranger's first letter to somebody is put off (450), and until when he has to have come again.
    delay: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    retry_window: Annotated[float, Meta(ge=600, le=31_536_000)] = 172_800.0
    # How long who came again is known, counted from his last letter; and from how many letters that came again on, a network is asked no
    # more.
    known_seconds: Annotated[float, Meta(ge=86_400, le=31_536_000)] = 3_110_400.0
    network_passes: Count = 5
    # What counts as one network; networks that are never asked.
    ipv4_prefix: Annotated[int, Meta(ge=8, le=32)] = 24
    ipv6_prefix: Annotated[int, Meta(ge=16, le=128)] = 64
    allow: tuple[str, ...] = ()
    # Letters and networks that are remembered.
    limit: Count = 200_000


class Iprev(Check, frozen=True, kw_only=True):
    # What is added to the score where the client's name does not lead back to its address, and where it has none.
    fail_score: Score = 0.0
    permerror_score: Score = 0.0


class Dkim(Check, frozen=True, kw_only=True):
    # Signatures of one message that are checked, from the top.
    signature_limit: Annotated[int, Meta(ge=1, le=50)] = 5
    # What is added to the score: where one is good, and where there are some and none is. (A broken one says no more than none.)
    pass_score: Score = 0.0
    fail_score: Score = 0.0
    # What is done with mail of ours whose domain has keys, where it can not be signed: it leaves without a signature, or waits ("tempfail": 451, or
    # in the queue until it expires).
    signing_failure: Literal["unsigned", "tempfail"] = "unsigned"
    # Sign strangers' mail that leaves again (aliases, forwards, redirects) with the keys of who passes it on, unless From is of that domain or near it.
    sign_forwarded: bool = False


class Arc(Check, frozen=True, kw_only=True):
    # Domains that are believed where they seal (RFC 8617): what they found of DMARC counts, where it fails here. Lists and forwarders that you know.
    trusted_sealers: tuple[str, ...] = ()
    # Seal mail of strangers that leaves again (aliases, forwards, redirects), with the key of the forwarding domain or of the first of `domains`.
    seal: bool = True


class Dmarc(Check, frozen=True, kw_only=True):
    # What is done where the domain in From asks to reject what nothing speaks for: "junk", "quarantine" or "reject". Mailing lists break
    # signatures: RFC 9989 asks receivers not to refuse for this reason alone.
    reject: Literal["accept", "junk", "quarantine", "reject"] = "junk"
    # What is added to the score where nothing speaks for it, where something does, and where From can not be judged.
    fail_score: Score = 2.0
    pass_score: Score = 0.0
    permerror_score: Score = 1.0
