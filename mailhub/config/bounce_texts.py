"""What reports to senders say to people: the texts that come with mailhub, their variables, and the operator's own. Pure.

A text has a subject and a body for each of `ACTIONS`. `$name` and `${name}` are the `VARIABLES`, `$$` is a dollar sign. The
recipients, each with the reason, follow the body by themselves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .near import near

ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded", "double")

VARIABLES = {
    "hostname": "the name of this mail host",
    "sender": "who sent the message, as its envelope says",
    "queue_id": "the id of the message in the queue",
    "arrival": "when it came",
    "hours": "for how many hours it has been tried",
    "until": "until when it will be tried",
    "postmaster": "where people can ask",
}

LINE_LIMIT = 200  # characters of a line as it is written


class Text(NamedTuple):
    """One action in one language."""

    language: str
    action: str
    subject: str
    body: str


_SHIPPED = (
    Text(
        "en",
        "failed",
        "Undelivered mail returned to sender",
        "This is the mail system at $hostname.\n\n"
        "Your message could not be delivered to the recipients below. It will\n"
        "not be tried again. If you need help, ask $postmaster\n"
        "and send this report along.",
    ),
    Text(
        "en",
        "delayed",
        "Delayed mail (still being retried)",
        "This is the mail system at $hostname.\n\n"
        "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n\n"
        "Your message has not been delivered yet to the recipients below, after\n"
        "$hours hours. It will be tried until $until.",
    ),
    Text(
        "en",
        "delivered",
        "Successful mail delivery report",
        "This is the mail system at $hostname.\n\nYour message was delivered to the recipients below.",
    ),
    Text(
        "en",
        "relayed",
        "Mail passed on",
        "This is the mail system at $hostname.\n\n"
        "Your message was passed on for the recipients below to a mail system\n"
        "that may send no report of success. You may hear nothing more of it.",
    ),
    Text(
        "en",
        "expanded",
        "Mail passed on to several recipients",
        "This is the mail system at $hostname.\n\n"
        "Your message was passed on to all those for whom the addresses below\n"
        "stand. You will be told of failures, and not of success.",
    ),
    Text(
        "en",
        "double",
        "Undeliverable bounce",
        "This is the mail system at $hostname.\n\n"
        "A message without a sender, such as a report of failure, could not be\n"
        "delivered. There is nobody else to tell.",
    ),
    Text(
        "zh",
        "failed",
        "邮件无法投递，已退回",
        "这是 $hostname 的邮件系统。\n\n"
        "您的邮件无法投递给下列收件人，系统不会再次尝试。\n"
        "如需帮助，请联系 $postmaster ，并附上本报告。",
    ),
    Text(
        "zh",
        "delayed",
        "邮件延迟（仍在重试）",
        "这是 $hostname 的邮件系统。\n\n"
        "这只是一个提醒，您无需重新发送邮件。\n\n"
        "您的邮件在 $hours 小时后仍未能投递给下列收件人。\n"
        "系统将继续尝试，直到 $until 。",
    ),
    Text("zh", "delivered", "邮件投递成功报告", "这是 $hostname 的邮件系统。\n\n您的邮件已投递给下列收件人。"),
    Text(
        "zh",
        "relayed",
        "邮件已转交",
        "这是 $hostname 的邮件系统。\n\n"
        "您发给下列收件人的邮件已转交给另一邮件系统，\n"
        "该系统可能不会发送成功报告，您可能不会再收到通知。",
    ),
    Text(
        "zh",
        "expanded",
        "邮件已转发给多个收件人",
        "这是 $hostname 的邮件系统。\n\n"
        "您的邮件已转发给下列地址所代表的全部收件人。\n"
        "若有失败您会收到通知，成功则不另行通知。",
    ),
    Text(
        "zh",
        "double",
        "退信无法投递",
        "这是 $hostname 的邮件系统。\n\n一封没有发件人的邮件（例如退信）无法投递，也没有其他人可以通知。",
    ),
)

SHIPPED = tuple(dict.fromkeys(text.language for text in _SHIPPED))

_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([^{}]*)\}|)")


def chosen(languages: Sequence[str], own: Sequence[Text]) -> Mapping[str, tuple[Text, ...]]:
    """For each action the texts in these languages, in their order, English where there is none; the operator's own before
    those that come along."""
    known = {(text.language, text.action): text for text in (*_SHIPPED, *own)}
    return {
        action: tuple(known[language, action] for language in languages if (language, action) in known)
        or (known["en", action],)
        for action in ACTIONS
    }


def missing(language: str, own: Sequence[Text]) -> list[str]:
    """The actions for which there is no text in that language."""
    known = {text.action for text in (*_SHIPPED, *own) if text.language == language}
    return [action for action in ACTIONS if action not in known]


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its variables in place. What is no variable stays as it is written."""
    return _VARIABLE.sub(
        lambda found: "$" if found[1] else values.get(found[2] or found[3] or "", found[0]),
        template,
    )


def wrong(template: str) -> Iterator[tuple[str, str]]:
    """What in a template can not be filled in, each with what is allowed in its place."""
    for found in _VARIABLE.finditer(template):
        name = found[2] or found[3] or ""
        if found[1] or name in VARIABLES:
            continue
        meant = near(name, VARIABLES)
        known = ", ".join(f"${name}" for name in VARIABLES)
        yield found[0], f"${meant[0]} (did you mean that?)" if meant else f"{known}; $$ for a dollar sign"
    for line in template.split("\n"):
        if len(line) > LINE_LIMIT:
            yield f"a line of {len(line)} characters", f"at most {LINE_LIMIT} in a line"
