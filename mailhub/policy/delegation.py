"""check_policy_service: what a policy service is told of a session or message, by Postfix's names, and who is asked."""

import logging
import secrets
from collections.abc import Iterator
from typing import cast

from mailhub.config import policy_service, schema
from mailhub.model.errors import Temporary
from mailhub.scanners import Services
from mailhub.scanners.delegation import Delegation, Keeping

from .visit import Visit

log = logging.getLogger("mailhub.policy")

_SERVICES = 100
_STATES = {"data": "DATA", "end_of_data": "END-OF-MESSAGE"}


class Delegations:
    """The policy services of one [smtp] section, each made when it is first asked."""

    def __init__(self, config: schema.Smtp, services: Services | None) -> None:
        self._config, self._services = config, services
        self._made: dict[str, tuple[Delegation, str, str]] = {}

    async def ask(self, text: str, stage: str, visit: Visit) -> str:
        """The action that the service written so wants, or the default where it has none."""
        if text not in self._made:
            if len(self._made) >= _SERVICES:  # a table's value, which may hold a part of a key, may name one
                raise Temporary(f"values of tables name more than {_SERVICES} policy services")
            self._made[text] = self._make(policy_service.service(text))
        delegation, default, context = self._made[text]
        name = await visit.name()
        try:
            return await delegation.ask(attributes(stage, visit, name.verified, name.reverse, context))
        except Temporary as error:
            log.warning("check_policy_service %s: %s (%s)", text, error, default)
            return default

    def _make(self, one: policy_service.Service) -> tuple[Delegation, str, str]:
        if self._services is None:
            raise Temporary("policy services are not asked here")
        config = self._config
        own: dict[str, float | str] = {
            "timeout": config.policy_service_timeout, "try_limit": float(config.policy_service_try_limit),
            "retry_delay": config.policy_service_retry_delay, "default_action": config.policy_service_default_action,
            "max_idle": config.policy_service_max_idle, "max_ttl": config.policy_service_max_ttl,
            "request_limit": float(config.policy_service_request_limit), "policy_context": config.policy_service_policy_context,
            **dict(one.settings),
        }  # fmt: skip
        scanner = schema.Scanner(
            address=str(one.where), time_limit=cast(float, own["timeout"]), connections=config.policy_service_connections,
            breaker_failures=config.policy_service_breaker_failures, breaker_seconds=config.policy_service_breaker_seconds,
        )  # fmt: skip
        keeping = Keeping(cast(float, own["max_idle"]), cast(float, own["max_ttl"]), int(own["request_limit"]))
        tries, pause = max(1, int(own["try_limit"])), cast(float, own["retry_delay"])
        made = self._services.delegation(scanner, keeping, tries, pause)
        return made, cast(str, own["default_action"]), cast(str, own["policy_context"])


def attributes(stage: str, visit: Visit, name: str, reverse: str, context: str) -> Iterator[tuple[str, str]]:
    """As smtpd(8) has them. `name`, `reverse`: of the client."""
    origin, caller = visit.origin, visit.caller
    protocol, cipher, bits = visit.tls
    one = visit.recipients <= 1 or stage not in _STATES
    yield "request", "smtpd_access_policy"
    yield "protocol_state", _STATES.get(stage) or _state(visit)
    yield "protocol_name", "SMTP" if origin.protocol == "SMTP" else "ESMTP"
    yield "client_address", origin.client
    yield "client_name", name or "unknown"
    yield "client_port", str(caller.port or "")
    yield "reverse_client_name", reverse or "unknown"
    yield "server_address", caller.local[0]
    yield "server_port", str(caller.local[1] or "")
    yield "helo_name", origin.helo
    yield "sender", visit.sender or ""
    yield "recipient", visit.recipient if one else ""
    yield "recipient_count", str(visit.recipients if stage in _STATES else 0)
    yield "queue_id", visit.queue_id
    visit.instance = visit.instance or secrets.token_hex(8)
    yield "instance", visit.instance
    yield "size", str(visit.size)
    yield "etrn_domain", ""
    yield "stress", ""
    yield "sasl_method", caller.mechanism
    yield "sasl_username", origin.login
    yield "sasl_sender", ""
    for field in ("ccert_subject", "ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint"):
        yield field, ""
    yield "encryption_protocol", protocol
    yield "encryption_cipher", cipher
    yield "encryption_keysize", bits or "0"
    yield "policy_context", context


def _state(visit: Visit) -> str:
    """Where the session is."""
    if visit.recipient:
        return "RCPT"
    if visit.sender is not None:
        return "MAIL"
    return ("HELO" if visit.origin.protocol == "SMTP" else "EHLO") if visit.origin.helo else "CONNECT"
