"""The registry of homes: register many at once, see one, list those of a community."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.domain.sales import homes as registry
from intake.domain.sales.homes import MOST_HOMES, Home, HomeFile, HomeStatus, RegisterHome
from intake.queries import homes as queries
from intake.queries.homes import HomeBody, HomeFilter
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Money, Refusal
from keyturn_events.scalars import BuildingId, CommunityId, HomeId, ReleaseId
from keyturn_events.vocabulary import ProductLine

router = APIRouter(tags=["homes"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["homes:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["homes:read"])]


class HomeForm(BaseModel):
    """A home as the builder knows it. A home of before is what this says from now on."""

    model_config = ConfigDict(extra="forbid")

    home_id: HomeId
    community_id: CommunityId
    list_price: Money
    building: BuildingId | None = None
    floor: Annotated[int, Field(strict=True, ge=-20, le=500)] | None = None
    rooms: Annotated[int, Field(strict=True, ge=0, le=100)] | None = Field(
        default=None, description="Bedrooms."
    )
    area: Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=2)] | None = Field(
        default=None, description="Floor area in square metres."
    )
    product_line: ProductLine | None = None
    for_sale: bool = Field(default=True, description="Whether it is not only planned.")
    release_id: ReleaseId | None = Field(
        default=None, description="The release with which it comes to market."
    )

    def command(self) -> RegisterHome:
        """The registration in the words of the domain."""
        return RegisterHome(Home(**dict(self)))


class HomeBatch(BaseModel):
    """Homes to register."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "homes": [
                        {
                            "home_id": "riverside-5-0801",
                            "community_id": "riverside",
                            "building": "riverside-5",
                            "floor": 8,
                            "rooms": 3,
                            "area": "118.50",
                            "list_price": {"amount": "1780000.00", "currency": "CNY"},
                            "release_id": "riverside-5-autumn",
                        },
                        {
                            "home_id": "riverside-5-0901",
                            "community_id": "riverside",
                            "building": "riverside-5",
                            "list_price": {"amount": "1795000.00", "currency": "CNY"},
                            "release_id": "riverside-5-autumn",
                        },
                    ]
                }
            ]
        },
    )

    homes: Annotated[list[HomeForm], Field(min_length=1, max_length=MOST_HOMES)]


class HomeRow(BaseModel):
    """What became of one home of a batch."""

    home_id: str
    outcome: Literal["registered", "changed", "rejected"]
    code: str | None = Field(default=None, description="Why it was rejected, for programs.")
    detail: str | None = Field(default=None, description="What to mend, for people.")
    pointer: str | None = Field(default=None, description="JSON Pointer to mend, within the home.")

    @classmethod
    def of(cls, file: HomeFile, _: Sequence[Event]) -> HomeRow:
        """What became of a home that was taken."""
        home_id = "" if file.home is None else file.home.home_id
        return cls(home_id=home_id, outcome="registered" if file.new else "changed")


class HomesAnswer(BaseModel):
    """What became of each home; registered + changed + rejected = homes."""

    registered: int
    changed: int
    rejected: int
    rows: list[HomeRow]


@router.post("/homes/batch", summary="Register up to 1000 homes", response_model=HomesAnswer)
async def register_homes(batch: HomeBatch, caller: Writer) -> HomesAnswer:
    """Register homes, or change what is known of them; the answer says what became of each.

    A home is sold at the price of the moment at which it is claimed.
    """
    rows = await asyncio.gather(
        *(_register(caller, place, form) for place, form in enumerate(batch.homes))
    )
    outcomes = [row.outcome for row in rows]
    return HomesAnswer(
        registered=outcomes.count("registered"),
        changed=outcomes.count("changed"),
        rejected=outcomes.count("rejected"),
        rows=list(rows),
    )


async def _register(caller: commands.Caller, place: int, form: HomeForm) -> HomeRow:
    try:
        answer = await caller.decided(registry.register, form.command(), HomeRow.of, row=place)
    except Refusal as refusal:
        return HomeRow(
            home_id=form.home_id,
            outcome="rejected",
            code=refusal.code,
            detail=refusal.detail,
            pointer=refusal.pointer,
        )
    return HomeRow.model_validate_json(answer.body)


@router.get("/homes/{home_id}", summary="A home", response_model=HomeBody)
async def show_home(home_id: HomeId, _: Reader, connection: commands.Reading) -> HomeBody:
    """A home as it is registered, and where it stands."""
    found = await queries.home(connection, home_id)
    if found is None:
        raise registry.home_not_found()
    return found


@router.get(
    "/communities/{community_id}/homes", summary="List homes", response_model=Page[HomeBody]
)
async def list_homes(
    *,
    community_id: CommunityId,
    _: Reader,
    connection: commands.Reading,
    status: HomeStatus | None = None,
    building: BuildingId | None = None,
    release_id: ReleaseId | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[HomeBody]:
    """The homes of a community, by their ids."""
    wanted = HomeFilter(status, building, release_id)
    return await queries.homes(connection, community_id, wanted, limit, cursor)
