"""Who was erased does not come back by a file, a feed or a replay; who comes themselves may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from intake.domain.consent.consents import ConsentGiven
from intake.domain.people.identity import Identifier, IdentifierKind, Identity
from intake.domain.privacy.suppression import Coming, admitted
from intake.keyring import Keyring, keyring
from intake.store.subjects import suppressions
from keyturn_events import Money, Refusal
from keyturn_events.intake import PartnerEventRejected
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded, Person
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    PurchaseStage,
    Purpose,
)

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
PHONE = "13800138000"
EXPRESS = {"channel": "sms", "purpose": "marketing", "status": "granted", "basis": "express"}
LEAD = {"phone": PHONE, "channel": "web", "consents": [EXPRESS]}


async def erase(intake: Intake, customer_id: str) -> None:
    answer = await intake.harness.client.post(
        f"/customers/{customer_id}/erasure",
        json={"reason": "customer-request", "legal_basis": "objection"},
        headers=intake.harness.headers("customers:erase"),
    )
    assert answer.status_code == 202, answer.text


@pytest.fixture
async def forgotten(intake: Intake) -> str:
    """Somebody with a phone and a WeChat OpenID who was erased a day ago; their id."""
    customer_id: str = (await intake.captured(phone=PHONE, wechat="wx-zhang"))["customer_id"]
    await erase(intake, customer_id)
    await intake.harness.drive(NOON + timedelta(days=1))
    return customer_id


def code_of(answer: Any) -> str:
    code: str = answer.json()["type"].rpartition("/")[2]
    return code


@pytest.mark.parametrize(
    "lead",
    [
        LEAD | {"channel": "portal"},
        LEAD | {"consents": []},
        LEAD | {"consents": [EXPRESS | {"status": "denied"}]},
        LEAD | {"consents": [EXPRESS | {"basis": "implied"}]},
        LEAD | {"captured_at": "2026-03-01T04:00:00Z"},
        LEAD | {"phone": None, "wechat": "wx-zhang", "channel": "wechat"},
    ],
    ids=["portal", "no-consent", "denied", "implied", "said-before-the-erasure", "by-wechat"],
)
@pytest.mark.usefixtures("forgotten")
async def test_an_erased_person_is_not_taken_from_anybody_else(
    lead: dict[str, Any], intake: Intake
) -> None:
    answer = await intake.post("/leads", lead)

    assert (answer.status_code, code_of(answer)) == (409, "suppressed-person")
    assert PHONE[-8:] not in answer.text
    assert await intake.count("customers") == 1


async def test_who_comes_themselves_with_their_word_is_a_new_customer(
    intake: Intake, forgotten: str
) -> None:
    again = await intake.captured(**LEAD)

    assert (again["outcome"], again["customer_id"] != forgotten) == ("created", True)
    feed = await intake.captured(phone=PHONE, channel="portal")
    assert (feed["outcome"], feed["customer_id"]) == ("joined", again["customer_id"])


@pytest.mark.usefixtures("forgotten")
async def test_a_file_cannot_bring_an_erased_person_back_and_keeps_nothing_of_the_row(
    intake: Intake,
) -> None:
    done = await intake.imported(f"name,phone\n张伟,{PHONE}\n李娜,13900139000\n")

    assert (done["created"], done["rejected"]) == (1, 1)
    (row,) = await intake.harness.rows("SELECT code, detail, original FROM import_rejections")
    assert (row.code, row.original) == ("suppressed-person", None)
    assert PHONE[-8:] not in row.detail


@pytest.mark.usefixtures("forgotten")
async def test_a_partner_cannot_bring_an_erased_person_back_by_a_lead_a_sale_or_a_replay(
    intake: Intake,
) -> None:
    await intake.register_partner("ledger", PartnerLeadSubmitted, PartnerSaleRecorded)
    lead = PartnerLeadSubmitted(
        lead_reference="r-1", submitted_at=NOON, person=Person(phone=PHONE, name="张伟")
    )
    sale = PartnerSaleRecorded(
        sale_reference="s-1",
        stage=PurchaseStage.SIGNED,
        recorded_on=NOON.date(),
        home_id="home-9",
        community_id="riverside",
        price=Money(amount=Decimal("1680000.00"), currency="CNY"),
        buyer=Person(phone=PHONE),
    )

    await intake.partner_says(lead, id="e-1")
    await intake.partner_says(sale, id="e-2")

    rejections = await intake.harness.published(PartnerEventRejected)
    assert [(r.code, r.event_id, r.original) for r in rejections] == [
        ("suppressed-person", "e-1", None),
        ("suppressed-person", "e-2", None),
    ]
    assert await intake.count("customers") == 1
    assert await intake.count("purchases") == 0


async def test_what_a_partner_said_before_is_not_heard_again_after_an_erasure(
    intake: Intake,
) -> None:
    await intake.register_partner("ledger", PartnerLeadSubmitted)
    lead = PartnerLeadSubmitted(lead_reference="r-1", submitted_at=NOON, person=Person(phone=PHONE))
    await intake.partner_says(lead, id="e-1")
    (customer,) = await intake.harness.rows("SELECT customer_id FROM customers")
    await erase(intake, customer.customer_id)

    await intake.partner_says(lead, id="e-1")
    await intake.partner_says(lead, id="e-2")

    outcomes = await intake.harness.rows("SELECT outcome, code FROM partner_records ORDER BY 1")
    assert [tuple(row) for row in outcomes] == [
        ("accepted", None),
        ("duplicate", None),
        ("rejected", "suppressed-person"),
    ]


async def test_the_later_stages_of_a_sale_that_was_known_go_on_for_the_ledger(
    intake: Intake,
) -> None:
    await intake.register_partner("ledger", PartnerSaleRecorded)
    sale = PartnerSaleRecorded(
        sale_reference="s-1",
        stage=PurchaseStage.RESERVED,
        recorded_on=NOON.date(),
        home_id="home-9",
        community_id="riverside",
        price=Money(amount=Decimal("1680000.00"), currency="CNY"),
        buyer=Person(phone=PHONE),
    )
    await intake.partner_says(sale, id="e-1")
    (customer,) = await intake.harness.rows("SELECT customer_id FROM customers")
    await erase(intake, customer.customer_id)

    await intake.partner_says(sale.model_copy(update={"stage": PurchaseStage.PAID}), id="e-2")

    (row,) = await intake.harness.rows("SELECT stage, customer_id FROM purchases")
    assert (row.stage, row.customer_id) == ("paid", customer.customer_id)


@pytest.mark.usefixtures("forgotten")
async def test_somebody_else_is_recognised_and_not_given_what_was_the_erased_persons(
    intake: Intake,
) -> None:
    wife = await intake.captured(email="li@example.com", name="李娜")

    joined = await intake.captured(email="li@example.com", phone=PHONE, channel="portal")

    assert joined["customer_id"] == wife["customer_id"]
    body = (await intake.get(f"/customers/{wife['customer_id']}")).json()
    assert body["phones"] == []
    own = await intake.captured(email="li@example.com", phone=PHONE, consents=[EXPRESS])
    body = (await intake.get(f"/customers/{own['customer_id']}")).json()
    assert body["phones"] == ["+8613800138000"]


async def lift(intake: Intake, **form: Any) -> Any:
    return await intake.harness.client.post(
        "/suppressions/liftings",
        json=form,
        headers=intake.harness.headers("suppressions:write", subject="mei"),
    )


@pytest.mark.usefixtures("forgotten")
async def test_a_lifted_identifier_may_come_again_and_that_is_on_record(intake: Intake) -> None:
    lifted = await lift(intake, phone=PHONE, reason="number-reassigned")

    assert (lifted.status_code, lifted.json()) == (200, {"lifted": 1})
    created = await intake.captured(phone=PHONE, channel="portal")
    assert created["outcome"] == "created"
    rows = await intake.harness.rows(
        "SELECT kind, lifted_by, reason, key_id FROM suppression_liftings"
    )
    assert [tuple(row) for row in rows] == [(4, "mei", "number-reassigned", "development")]
    still = await intake.post("/leads", {"wechat": "wx-zhang", "channel": "portal"})
    assert code_of(still) == "suppressed-person"
    assert code_of(await lift(intake, phone=PHONE, reason="again")) == "not-suppressed"
    assert code_of(await lift(intake, reason="nothing")) == "no-identifier"


@pytest.mark.usefixtures("forgotten")
async def test_only_hashes_are_kept_and_with_them_the_key(intake: Intake) -> None:
    rows = await intake.harness.rows("SELECT hash, key_id, kind FROM suppressions ORDER BY kind")

    expected = [
        keyring().mac("suppression", b"2:wx-zhang"),
        keyring().mac("suppression", b"4:+8613800138000"),
    ]
    assert [bytes(row.hash) for row in rows] == expected
    assert [(row.key_id, row.kind) for row in rows] == [("development", 2), ("development", 4)]


@pytest.mark.usefixtures("forgotten")
async def test_after_the_key_was_rotated_the_old_hashes_are_still_known(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keyring().keys[0]
    rotated = Keyring((("2027", b"n" * 32), old))
    monkeypatch.setattr(suppressions, "keyring", lambda: rotated)

    refused = await intake.post("/leads", {"phone": PHONE, "channel": "portal"})
    assert code_of(refused) == "suppressed-person"
    again = await intake.captured(**LEAD)
    await erase(intake, again["customer_id"])

    rows = await intake.harness.rows("SELECT key_id, kind FROM suppressions ORDER BY 2, 1")
    assert [tuple(row) for row in rows] == [("development", 2), ("2027", 4), ("development", 4)]
    assert (await lift(intake, phone=PHONE, reason="mended")).json() == {"lifted": 1}
    rows = await intake.harness.rows("SELECT key_id, kind FROM suppressions")
    assert [tuple(row) for row in rows] == [("development", 2)]


async def test_an_ordinary_batch_looks_once_and_only_for_what_nobody_owns(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    await intake.captured(phone=PHONE)
    asked: list[Identifier] = []

    def hashes(identifier: Identifier) -> Any:
        asked.append(identifier)
        return iter(())

    monkeypatch.setattr(suppressions, "hashes", hashes)
    await intake.post("/leads/batch", {"leads": [{"phone": PHONE}, {"wechat": "wx-new"}]})

    assert set(asked) == {Identifier(IdentifierKind.WECHAT, "wx-new")}


ZHANG = Identity(phone="+8613800138000", email="z@example.com")
OWN = ConsentGiven(Channel.SMS, Purpose.MARKETING)


def coming(channel: LeadChannel = LeadChannel.WEB, **more: Any) -> Coming:
    fields: dict[str, Any] = {"collected_through": "api", "said_at": NOON, "consents": (OWN,)}
    return Coming(channel, **(fields | more))


def test_the_later_of_two_erasures_counts() -> None:
    phone, email = ZHANG.identifiers[1], ZHANG.identifiers[0]
    suppressed = {phone: NOON - timedelta(days=2), email: NOON + timedelta(seconds=1)}

    with pytest.raises(Refusal, match="suppressed-person"):
        admitted(ZHANG, suppressed, coming(), known=False)
    admitted(ZHANG, suppressed, coming(said_at=NOON + timedelta(seconds=1)), known=False)
    assert admitted(ZHANG, {}, coming(consents=()), known=False) is ZHANG


@pytest.mark.parametrize("channel", list(LeadChannel))
def test_only_the_builders_own_doors_let_an_erased_person_in(channel: LeadChannel) -> None:
    suppressed = {ZHANG.identifiers[0]: NOON}
    own = channel in {LeadChannel.WEB, LeadChannel.WALK_IN}

    for through in ("api", "import", "partner"):
        allowed = own and through == "api"
        try:
            admitted(ZHANG, suppressed, coming(channel, collected_through=through), known=False)
        except Refusal:
            assert not allowed
        else:
            assert allowed


@pytest.mark.parametrize("status", list(ConsentStatus))
@pytest.mark.parametrize("basis", list(ConsentBasis))
def test_only_an_express_grant_is_the_persons_own_word(
    status: ConsentStatus, basis: ConsentBasis
) -> None:
    consent = ConsentGiven(Channel.SMS, Purpose.MARKETING, status, basis)
    expected = (status, basis) == (ConsentStatus.GRANTED, ConsentBasis.EXPRESS)
    assert coming(consents=(consent,)).express is expected
