"""unittest, or any script."""

import smtplib
import unittest

from mailhub.testing import MailHub


class Letters(unittest.TestCase):
    def test_one_arrives(self) -> None:
        with MailHub() as hub:
            with smtplib.SMTP(hub.host, hub.port("smtp")) as client:
                client.sendmail("app@example.test", ["bob@example.test"], "Subject: hi\r\n\r\n")
            assert hub.expect(to="bob@example.test").subject == "hi"
