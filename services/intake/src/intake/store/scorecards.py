"""By what leads are scored: the model in use, and what was said at the touches of leads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.leads import Lead, Touch
from intake.domain.people.customers import Customer
from intake.domain.scoring.lead_signals import MOST_TOUCHES
from intake.domain.scoring.scoring import BY_RULES, Scorecard
from intake.domain.scoring.scoring_models import LoadedModel, ModelVersion
from intake.reading.scoring_model_file import ModelFile
from intake.store.documents import CUSTOMER, LEAD_COLUMNS, lead_of
from keyturn_chassis.driver import driver_of
from keyturn_events.vocabulary import LeadChannel

if TYPE_CHECKING:
    from intake.store.working_set import IntakeWorkingSet

REMEMBERED_MODELS: Final = 4
"""Models that a process keeps in memory: the one in use, and what other tests or tenants use."""

_IN_USE: Final = "SELECT version, digest FROM scoring_models ORDER BY version DESC LIMIT 1"
_WHOLE: Final = (
    "SELECT version, name, digest, document, loaded_at, loaded_by, leaks_accepted"
    " FROM scoring_models ORDER BY version DESC LIMIT 1"
)
_TOUCHES: Final = (
    "SELECT t.touch_id, t.lead_id, t.customer_id, t.channel, t.captured_at, t.recorded_at,"
    " t.joined, t.partner_id, t.campaign, t.referral_code, t.answers::text"
    " FROM unnest($1::text[]) AS wanted (lead_id) CROSS JOIN LATERAL ("
    " SELECT * FROM touches WHERE touches.lead_id = wanted.lead_id AND withdrawn_at IS NULL"
    " ORDER BY position LIMIT $2) AS t ORDER BY t.lead_id, t.position"
)

_LEAD: Final = (
    f"SELECT {', '.join('l.' + name.strip() for name in LEAD_COLUMNS.split(','))},"  # noqa: S608
    " c.document::text AS customer"
    " FROM leads AS l JOIN customers AS c USING (customer_id) WHERE l.lead_id = $1"
)

_models: OrderedDict[tuple[int, str], LoadedModel] = OrderedDict()


@dataclass(slots=True)
class Scorecards:
    """The model in use, and the touches of leads that are there already."""

    model: LoadedModel | None = None
    touches: dict[str, list[Touch]] = field(default_factory=dict)
    _followed: int = 0

    def card(self, rows: IntakeWorkingSet) -> Scorecard:
        """By what the next decision scores; the touches that the batch has added are among it."""
        if self.model is None:
            return BY_RULES
        for touch in rows.touches[self._followed :]:
            self.touches.setdefault(touch.lead_id, []).append(touch)
        self._followed = len(rows.touches)
        return Scorecard(self.model, self.touches)

    def forget(self, lead_id: str, touch_id: str) -> None:
        """Leave out a touch that is taken back."""
        kept = [touch for touch in self.touches.get(lead_id, ()) if touch.touch_id != touch_id]
        self.touches[lead_id] = kept


async def model_in_use(connection: AsyncConnection) -> LoadedModel | None:
    """The model by which leads are scored now; None where the rules score."""
    driver = await driver_of(connection)
    row = await driver.fetchrow(_IN_USE)
    if row is None or not row["digest"]:
        return None
    key = (row["version"], row["digest"])
    model = _models.get(key)
    if model is None:
        found = await version_in_use(connection)
        if found is None or found.document is None:
            return None
        model = LoadedModel(ModelFile.model_validate_json(found.document).model(), found.version)
        _models[key] = model
        if len(_models) > REMEMBERED_MODELS:
            _models.popitem(last=False)
    return model


async def version_in_use(connection: AsyncConnection) -> ModelVersion | None:
    """What was loaded last, with its document."""
    driver = await driver_of(connection)
    row = await driver.fetchrow(_WHOLE)
    return None if row is None else ModelVersion(**row)


async def touches_of(
    connection: AsyncConnection, lead_ids: Collection[str]
) -> dict[str, list[Touch]]:
    """The first touches of each lead, the earliest first, without what was taken back."""
    if not lead_ids:
        return {}
    driver = await driver_of(connection)
    found: dict[str, list[Touch]] = {}
    for row in await driver.fetch(_TOUCHES, list(lead_ids), MOST_TOUCHES):
        touch = touch_of(row)
        found.setdefault(touch.lead_id, []).append(touch)
    return found


def touch_of(row: Any) -> Touch:
    """The touch of a row, as far as a score asks for it; its answers are JSON text."""
    values = dict(row)
    values["channel"] = LeadChannel(values["channel"])
    values["answers"] = orjson.loads(values["answers"])
    return Touch(**values)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the leads that were there before a version are scored by it."""

    done: bool
    leads: int
    changed: int


async def progress(connection: AsyncConnection) -> Progress | None:
    """How far the version in use is; None before the first one."""
    driver = await driver_of(connection)
    row = await driver.fetchrow(
        "SELECT rescored_at IS NOT NULL AS done, rescored AS leads, changed FROM scoring_models"
        " ORDER BY version DESC LIMIT 1"
    )
    return None if row is None else Progress(**row)


async def scored_lead(
    connection: AsyncConnection, lead_id: str
) -> tuple[Lead, Customer, list[Touch]] | None:
    """A lead with all that its score looks at."""
    driver = await driver_of(connection)
    row = await driver.fetchrow(_LEAD, lead_id)
    if row is None:
        return None
    values = dict(row)
    customer = CUSTOMER.validate_json(values.pop("customer"))
    touches = await touches_of(connection, [lead_id])
    return lead_of(values), customer, touches.get(lead_id, [])


async def to_rescore(connection: AsyncConnection) -> int | None:
    """The version in use while leads wait for it, and this worker is the one to score them."""
    driver = await driver_of(connection)
    version: int | None = await driver.fetchval(
        "SELECT version FROM scoring_models WHERE rescored_at IS NULL"
        " AND version = (SELECT max(version) FROM scoring_models) FOR UPDATE SKIP LOCKED"
    )
    return version


async def next_open_leads(connection: AsyncConnection, version: int, most: int) -> list[str]:
    """The open leads that come next, by their ids."""
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT lead_id FROM leads WHERE status = 'open' AND lead_id >"
        " (SELECT coalesce(rescored_to, '') FROM scoring_models WHERE version = $1)"
        " ORDER BY lead_id LIMIT $2",
        version,
        most,
    )
    return [row["lead_id"] for row in rows]


async def rescored(
    connection: AsyncConnection, version: int, lead_ids: Collection[str], changed: int
) -> None:
    """Note that these leads are done."""
    driver = await driver_of(connection)
    await driver.execute(
        "UPDATE scoring_models SET rescored_to = $2, rescored = rescored + $3,"
        " changed = changed + $4 WHERE version = $1",
        version,
        max(lead_ids),
        len(lead_ids),
        changed,
    )


async def rescored_all(connection: AsyncConnection, version: int, at: datetime) -> None:
    """Note that every lead is done."""
    driver = await driver_of(connection)
    await driver.execute(
        "UPDATE scoring_models SET rescored_at = $2 WHERE version = $1", version, at
    )
