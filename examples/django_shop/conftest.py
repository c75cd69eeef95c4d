"""Django, ready for tests; its mail goes to the mailhub of each test."""

import os
from collections.abc import Iterator

import django
import pytest
from django.core.management import call_command
from django.test.utils import override_settings, setup_test_environment

from mailhub.testing import MailHub

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"


def pytest_configure() -> None:
    django.setup()
    setup_test_environment()
    call_command("migrate", verbosity=0)


@pytest.fixture(autouse=True)
def mail(mailhub: MailHub) -> Iterator[None]:
    backend = "django.core.mail.backends.smtp.EmailBackend"  # setup_test_environment puts a sink in its place
    with override_settings(EMAIL_BACKEND=backend, EMAIL_HOST=mailhub.host, EMAIL_PORT=mailhub.port("smtp")):
        yield
