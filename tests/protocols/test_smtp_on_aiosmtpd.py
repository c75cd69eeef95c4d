"""The parts of aiosmtpd that a session leans on; a release that changes them shows here first."""

import inspect

from aiosmtpd.smtp import SMTP

from mailhub.protocols.smtp import SmtpSession


def test_the_names_overridden_exist_and_take_what_they_took() -> None:
    for name in ("connection_made", "connection_lost", "eof_received", "push", "_handle_client", "_reset_timeout"):
        ours, theirs = getattr(SmtpSession, name), getattr(SMTP, name)
        assert ours is not theirs, name
        assert len(inspect.signature(ours).parameters) == len(inspect.signature(theirs).parameters), name


def test_every_command_of_theirs_is_ours() -> None:
    """None of its commands, with their other bounds and replies, can be reached."""
    commands = {name for name in vars(SMTP) if name.startswith("smtp_")}
    assert commands <= {name for name in vars(SmtpSession) if name.startswith("smtp_")}


def test_it_makes_the_task_and_keeps_the_transport() -> None:
    source = inspect.getsource(SMTP.connection_made)
    for needed in ("self._handler_coroutine = ", "self._handle_client()", "self.transport = transport"):
        assert needed in source
