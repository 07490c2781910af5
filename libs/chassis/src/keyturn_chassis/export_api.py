"""Everything that a service holds on one person, in one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Security
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.clock import wall_now
from keyturn_chassis.commands import Reading
from keyturn_chassis.holdings import Holdings
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.scalars import ID_PATTERN

EXPORT_SCOPE: Final = "customers:export"
"""What it takes to be handed everything on a person."""

Exporter = Annotated[Principal, Security(principal, scopes=[EXPORT_SCOPE])]
CustomerPath = Annotated[str, Path(pattern=ID_PATTERN, description="Any id of the customer.")]


class ExportBody(BaseModel):
    """What a service holds on one person."""

    service: str
    customer_ids: list[str] = Field(description="Every id that the person has or had.")
    exported_at: AwareDatetime
    held: dict[str, list[dict[str, Any]]] = Field(
        description="All rows on the person, by table; the columns are those of the store."
    )


def export_router(service: Service) -> APIRouter:
    """The route for access exports; none for a service that holds nothing on people."""
    router = APIRouter(tags=["privacy"])
    holdings = service.holdings
    if holdings is None:
        return router

    @router.get(
        "/customers/{customer_id}/export",
        summary="Everything held on one person",
        response_model=ExportBody,
    )
    async def export_customer(
        customer_id: CustomerPath, _: Exporter, connection: Reading, request: Request
    ) -> StreamingResponse:
        """All of it, under every id that the person has or had, as it stands in the store."""
        ids = await holdings.ids_of(connection, customer_id)
        if not await holdings.any_on(connection, ids):
            raise Refusal(
                "nothing-held",
                "Nothing is held under this id.",
                kind=RefusalKind.NOT_FOUND,
            )
        runtime: Runtime = request.app.state.runtime
        return StreamingResponse(
            _export(runtime, holdings, ids),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    return router


async def _export(runtime: Runtime, holdings: Holdings, ids: Sequence[str]) -> AsyncIterator[bytes]:
    head = {"service": runtime.service.name, "customer_ids": list(ids), "exported_at": wall_now()}
    yield orjson.dumps(head)[:-1] + b',"held":'
    async with runtime.database.reading() as connection:
        async for piece in holdings.told(connection, ids):
            yield piece
    yield b"}"
