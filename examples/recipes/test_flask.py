"""Flask: the application sends with smtplib, the test looks at what came."""

import smtplib
from email.message import EmailMessage

from flask import Flask, request

from mailhub.testing import MailHub


def make_app(host: str, port: int) -> Flask:
    app = Flask(__name__)

    @app.post("/contact")
    def contact() -> str:
        message = EmailMessage()
        message["From"], message["To"] = "web@site.example", "team@site.example"
        message["Subject"] = f"From {request.form['name']}"
        message.set_content(request.form["text"])
        with smtplib.SMTP(host, port) as client:
            client.send_message(message)
        return "Thank you."

    return app


def test_contact_form(mailhub: MailHub) -> None:
    client = make_app(mailhub.host, mailhub.port("smtp")).test_client()
    client.post("/contact", data={"name": "Bob", "text": "Hello there"})
    assert mailhub.expect(to="team@site.example", subject="from bob").text == "Hello there\n"
