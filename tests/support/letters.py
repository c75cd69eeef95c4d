"""Letters to ann, as people and programs write them."""

from email.message import EmailMessage
from email.policy import SMTP

from support.hubs import send
from support.webmail import ANN, BOB, Site

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def letter(subject: str, text: str = "Hello\n", sender: str = f"Bob B. <{BOB}>", **fields: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, f"Ann <{ANN}>", subject
    made["Message-ID"] = f"<{abs(hash(subject))}@mailhub.test>"
    for name, value in fields.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def rich() -> EmailMessage:
    made = letter("Report", "The numbers\n")
    made.add_alternative(
        '<p>The <b>numbers</b><img src="cid:pic"><img src="http://far.example/p.gif"></p>', subtype="html"
    )
    made.get_payload()[1].add_related(PNG, "image", "png", cid="<pic>", filename="pic.png", disposition="inline")  # type: ignore[index, union-attr]
    made.add_attachment(b"%PDF-1.4 x", "application", "pdf", filename="../../Numbers\u202efdp.pdf")
    made.add_attachment("<script>alert(1)</script>", "html", filename="page.html")
    made.add_attachment(letter("Inside"))
    return made


async def give(here: Site, *letters: EmailMessage | bytes, account: str = ANN) -> None:
    for one in letters:
        await send(here.hub, BOB, account, one if isinstance(one, bytes) else one.as_bytes(policy=SMTP))
        await here.hub.queue.idle()
