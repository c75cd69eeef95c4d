"""A whole mail system inside somebody's test. docs/testing.md has recipes.

    def test_signup_sends_a_code(mailhub):                       # the fixture of the pytest plugin
        with smtplib.SMTP("127.0.0.1", mailhub.port("smtp")) as client:
            client.sendmail("app@example.test", ["bob@example.test"], "Subject: your code\\r\\n\\r\\n123456\\r\\n")
        message = mailhub.expect(to="bob@example.test", subject="your code")
        assert message.code == "123456"
        mailhub.settled()
        assert len(mailhub.inbox("eve@example.test")) == 0

Comes from: tests, by keyword arguments. Gives to: `hub`. May import every room; no room imports it.

Invariants
- What runs is the server that people run: real sessions, queue, bounces and mailboxes; only time, names and the outside are the
  test's.
- Nothing waits by sleeping: for an event, or for the virtual clock.
- Nothing is left behind: no file, no thread, no socket.
"""

from mailhub.message.reading import Attachment as Attachment
from mailhub.message.reading import Message as Message

from .clock import AsyncTestClock as AsyncTestClock
from .inbox import Inbox as Inbox
from .internet import AsyncInternet as AsyncInternet
from .remote import RemoteHost as RemoteHost
from .server import AsyncMailHub as AsyncMailHub
from .sync import Internet as Internet
from .sync import MailHub as MailHub
from .sync import TestClock as TestClock
from .waiting import Waiting as Waiting
