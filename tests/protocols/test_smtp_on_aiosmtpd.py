"""The parts of aiosmtpd that a session leans on; a release that changes them shows here first."""

import inspect

from aiosmtpd.smtp import SMTP

from mailhub.protocols.smtp import SmtpSession
from mailhub.protocols.smtp.commands import COMMANDS


def test_the_names_overridden_exist_and_take_what_they_took() -> None:
    for name in ("connection_made", "connection_lost", "eof_received", "_handle_client", "_reset_timeout"):
        ours, theirs = getattr(SmtpSession, name), getattr(SMTP, name)
        assert ours is not theirs, name
        assert len(inspect.signature(ours).parameters) == len(inspect.signature(theirs).parameters), name


def test_none_of_its_commands_can_be_reached() -> None:
    """They stand in our table, with our bounds and replies; its own dispatch is never entered."""
    theirs = {name.removeprefix("smtp_") for name in vars(SMTP) if name.startswith("smtp_")}
    assert theirs <= set(COMMANDS)
    assert "_call_handler_hook" not in inspect.getsource(SmtpSession)
    assert vars(SmtpSession)["_handle_client"] is not SMTP._handle_client
    assert not [function for function in COMMANDS.values() if function.__module__.startswith("aiosmtpd")]


def test_it_makes_the_task_and_keeps_the_transport() -> None:
    source = inspect.getsource(SMTP.connection_made)
    for needed in ("self._handler_coroutine = ", "self._handle_client()", "self.transport = transport"):
        assert needed in source
