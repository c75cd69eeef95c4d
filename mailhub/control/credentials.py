"""App passwords and second factors of accounts."""

from mailhub.directory import Directory
from mailhub.directory.app_passwords import AppPasswords
from mailhub.directory.second_factor import SecondFactors
from mailhub.model.clock import Clock
from mailhub.store.api import DirectoryStore

from . import words


class Credentials:
    """The actions on what opens an account beside its password. `hostname`: what authenticator programs show."""

    def __init__(self, directory: Directory, store: DirectoryStore, clock: Clock, hostname: str) -> None:
        self._directory = directory
        self._apps, self._factors = AppPasswords(store, clock), SecondFactors(store, clock, hostname)

    async def add_app_password(self, request: words.AppPasswordAdd) -> words.Generated:
        await self._directory.hold(request.address)
        return words.Generated(password=await self._apps.add(request.address, request.name, request.services))

    async def app_passwords(self, request: words.AppPasswordList) -> tuple[words.AppPassword, ...]:
        return tuple(
            words.AppPassword(name=a.name, services=a.services, created=a.created, used=a.used, client=a.client)
            for a in await self._apps.of(request.address)
        )

    async def remove_app_password(self, request: words.AppPasswordRemove) -> words.Done:
        await self._apps.remove(request.address, request.name)
        return words.Done()

    async def begin_second_factor(self, request: words.SecondFactorBegin) -> words.Enrolment:
        await self._directory.hold(request.address)
        begun = await self._factors.begin(request.address)
        return words.Enrolment(secret=begun.secret, uri=begun.uri, recovery=begun.recovery)

    async def confirm_second_factor(self, request: words.SecondFactorConfirm) -> words.Done:
        await self._factors.confirm(request.address, request.code)
        return words.Done()

    async def remove_second_factor(self, request: words.SecondFactorRemove) -> words.Done:
        await self._factors.remove_all(request.address)
        return words.Done()
