"""Erasures and their receipts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.privacy.erasures import READERS, Erasure, ErasureStatus, LegalBasis
from intake.queries.statements import one
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events.values import ErasureCount

INTAKE: Final = "intake"
"""The service that erases first, in the transaction in which it tells the others."""

_ERASURE: Final = TypeAdapter(Erasure)
_newest: Final = Keyset(tuple[datetime, str])


class ReceiptBody(BaseModel):
    """A service's receipt for one id of the person."""

    model_config = ConfigDict(from_attributes=True)

    customer_id: str
    recorded_at: datetime | None = Field(description="Real time at which the service wrote it.")
    counts: list[ErasureCount]


class ServiceBody(BaseModel):
    """How far one service is."""

    status: Literal["planned", "open", "complete"]
    missing: list[str] = Field(description="Ids for which it owes its receipt.")
    receipts: list[ReceiptBody]


class ErasureBody(BaseModel):
    """An erasure, and how far each service is."""

    erasure_id: str | None = Field(description="Absent of one that is only planned.")
    status: Literal["planned", "open", "overdue", "complete"]
    customer_id: str
    customer_ids: list[str] = Field(description="Every id of the person.")
    reason: str
    legal_basis: LegalBasis
    requested_at: datetime
    requested_by: str
    due_at: datetime
    overdue_since: datetime | None
    completed_at: datetime | None
    services: dict[str, ServiceBody]

    @classmethod
    def of(cls, erasure: Erasure, *, planned: bool = False) -> ErasureBody:
        """The erasure as it is shown; with `planned`, as it would be."""
        return cls(
            erasure_id=None if planned else erasure.erasure_id,
            status="planned" if planned else erasure.status.value,
            customer_id=erasure.customer_id,
            customer_ids=list(erasure.customer_ids),
            reason=erasure.reason,
            legal_basis=erasure.legal_basis,
            requested_at=erasure.requested_at,
            requested_by=erasure.requested_by,
            due_at=erasure.due_at,
            overdue_since=erasure.overdue_since,
            completed_at=erasure.completed_at,
            services={
                INTAKE: ServiceBody(
                    status="planned" if planned else "complete",
                    missing=[],
                    receipts=[
                        ReceiptBody(
                            customer_id=erasure.customer_id,
                            recorded_at=None,
                            counts=list(erasure.held),
                        )
                    ],
                ),
                **{
                    service: _service(erasure, service, planned=planned)
                    for service in READERS.values()
                },
            },
        )


class ErasureSummary(BaseModel):
    """An erasure in a list."""

    erasure_id: str
    status: ErasureStatus
    customer_id: str
    requested_at: datetime
    due_at: datetime
    missing: dict[str, int] = Field(description="How many receipts each service owes.")

    @classmethod
    def of(cls, erasure: Erasure) -> ErasureSummary:
        """The summary of an erasure."""
        owed = {service: len(erasure.missing(service)) for service in READERS.values()}
        return cls(
            erasure_id=erasure.erasure_id,
            status=erasure.status,
            customer_id=erasure.customer_id,
            requested_at=erasure.requested_at,
            due_at=erasure.due_at,
            missing={service: count for service, count in owed.items() if count},
        )


async def erasure(connection: AsyncConnection, erasure_id: str) -> Erasure | None:
    """One erasure."""
    row = await one(
        connection,
        "SELECT CAST(document AS text) AS document FROM erasures WHERE erasure_id = :id",
        erasure_id,
    )
    return None if row is None else _ERASURE.validate_json(row.document)


async def erasures(
    connection: AsyncConnection, status: ErasureStatus | None, limit: int, cursor: str | None
) -> Page[ErasureSummary]:
    """A page of erasures, the newest first; of one status only, if one is named."""
    conditions, parameters = ["TRUE"], dict[str, Any]({"limit": limit + 1})
    after = _newest.decode(cursor)
    if after is not None:
        conditions.append("(requested_at, erasure_id) < (:after_at, :after_id)")
        parameters["after_at"], parameters["after_id"] = after
    if status is not None:
        conditions.append("status = :status")
        parameters["status"] = status
    rows = await connection.execute(
        text(
            "SELECT requested_at, erasure_id, CAST(document AS text) AS document"  # noqa: S608
            f" FROM erasures WHERE {' AND '.join(conditions)}"
            " ORDER BY requested_at DESC, erasure_id DESC LIMIT :limit"
        ),
        parameters,
    )
    items, next_cursor = _newest.page(
        rows.all(), limit, lambda row: (row.requested_at, row.erasure_id)
    )
    return Page(
        items=[ErasureSummary.of(_ERASURE.validate_json(row.document)) for row in items],
        next_cursor=next_cursor,
    )


async def unfinished(connection: AsyncConnection) -> Mapping[str, int]:
    """How many erasures are open, and how many overdue."""
    rows = await connection.execute(
        text(
            "SELECT status, count(*) AS erasures FROM erasures"
            " WHERE status <> 'complete' GROUP BY status"
        )
    )
    return {row.status: row.erasures for row in rows}


def _service(erasure: Erasure, service: str, *, planned: bool) -> ServiceBody:
    missing = list(erasure.missing(service))
    return ServiceBody(
        status="planned" if planned else "open" if missing else "complete",
        missing=missing,
        receipts=[
            ReceiptBody.model_validate(receipt)
            for receipt in erasure.receipts
            if receipt.service == service
        ],
    )
