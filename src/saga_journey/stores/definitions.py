"""Tenants and definitions: they never change once they are stored, so a process asks for each of them once."""

from __future__ import annotations

from abc import ABC, abstractmethod

from saga_journey.core.codec import decode_definition, encode_definition
from saga_journey.core.definition import JourneyDefinition
from saga_journey.core.session_codec import decode_definition as decode_session_definition
from saga_journey.core.session_definition import SessionDefinition
from saga_journey.errors import StoreError

Definition = JourneyDefinition | SessionDefinition


class StoredDefinitions(ABC):
    """The part of `ports.Store` that is about them. A store says how a row is read and written."""

    def __init__(self) -> None:
        self._tenants: dict[str, int] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        self._journeys: dict[int, JourneyDefinition] = {}
        self._sessions: dict[int, SessionDefinition] = {}

    @abstractmethod
    async def _tenant_number(self, name: str) -> int:
        """Makes a new tenant."""

    @abstractmethod
    async def _store_definition(self, tenant: int, definition: Definition, body: str) -> int:
        """Stores a new one; the number of one with that hash otherwise."""

    @abstractmethod
    async def _stored_number(self, tenant: int, hash: str) -> int | None: ...

    @abstractmethod
    async def _body(self, number: int) -> str: ...

    @abstractmethod
    async def _body_of_tenant(self, number: int, tenant: int) -> str | None:
        """Of a journey; None for a session, and for another tenant's."""

    @abstractmethod
    async def _bodies(self, above: int) -> list[tuple[int, str]]:
        """Of journeys; none of a session."""

    async def tenant(self, name: str) -> int:
        if name not in self._tenants:
            self._tenants[name] = await self._tenant_number(name)
        return self._tenants[name]

    async def save_definition(self, tenant: int, definition: Definition) -> int:
        known = (tenant, definition.hash)
        if known not in self._numbers:
            number = await self._store_definition(tenant, definition, encode_definition(definition))
            self._numbers[known] = number
            if isinstance(definition, JourneyDefinition):
                self._journeys[number] = definition
            else:
                self._sessions[number] = definition
        return self._numbers[known]

    async def definition(self, number: int) -> JourneyDefinition:
        if number not in self._journeys:
            self._journeys[number] = decode_definition(await self._body(number))
        return self._journeys[number]

    async def definition_number(self, tenant: int, hash: str) -> int:
        if (tenant, hash) not in self._numbers:
            number = await self._stored_number(tenant, hash)
            if number is None:
                raise StoreError(f"no definition with hash {hash} was ever stored for this tenant")
            self._numbers[tenant, hash] = number
        return self._numbers[tenant, hash]

    async def definition_for(self, tenant: int, number: int) -> JourneyDefinition | None:
        body = await self._body_of_tenant(number, tenant)
        return None if body is None else decode_definition(body)

    async def definitions(self, above: int = 0) -> dict[int, JourneyDefinition]:
        return {number: decode_definition(body) for number, body in await self._bodies(above)}

    async def session_definition(self, number: int) -> SessionDefinition:
        if number not in self._sessions:
            self._sessions[number] = decode_session_definition(await self._body(number))
        return self._sessions[number]
