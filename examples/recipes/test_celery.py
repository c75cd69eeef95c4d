"""Celery: a task sends, and is retried where the mail server says "later"."""

import smtplib

from celery import Celery
from celery.contrib.testing.worker import start_worker

from mailhub.testing import MailHub

celery = Celery("recipe", broker="memory://", backend="cache+memory://")


@celery.task(autoretry_for=(smtplib.SMTPException,), max_retries=3, default_retry_delay=0)
def notify(host: str, port: int, address: str) -> None:
    with smtplib.SMTP(host, port) as client:
        client.sendmail("jobs@example.test", [address], "Subject: done\r\n\r\n")


def test_a_task_tries_again(mailhub: MailHub) -> None:
    mailhub.faults.smtp.after("DATA").reply(451).times(2)
    with start_worker(celery, perform_ping_check=False):
        notify.delay(mailhub.host, mailhub.port("smtp"), "bob@example.test")
        assert mailhub.expect(to="bob@example.test").subject == "done"
