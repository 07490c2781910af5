"""What a partner's accepted events do: a lead, a step of a sale, a building that came further."""

from __future__ import annotations

from dataclasses import replace

from intake.domain.dossier import Dossier, present
from intake.domain.leads.capture import CaptureLead, capture, meet
from intake.domain.leads.pipeline import without_claim
from intake.domain.occasion import Occasion
from intake.domain.partners.partners import (
    Building,
    PartnerFile,
    accepted,
    duplicate,
    ensure_acceptable,
    ensure_not_another,
    ensure_within_quota,
    rejected,
)
from intake.domain.people.customers import Facts
from intake.domain.people.reviews import questions
from intake.domain.sales import purchases
from intake.domain.sales.purchase_commands import take_step, undo
from intake.domain.sales.purchases import Completion, Purchase, Step
from keyturn_events.event import Event
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
)
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import LeadChannel, PurchaseStage, RescissionReason


def receive(
    file: PartnerFile, lead: CaptureLead | None, occasion: Occasion
) -> tuple[PartnerFile, list[Event]]:
    """Decide on a record; `lead` is what a submitted lead says, as a capture.

    It never raises `Refusal`: a refusal becomes the rejection that the partner reads.
    """
    try:
        ensure_acceptable(file)
        ensure_not_another(file)
        if file.accepted_digest is not None:
            return duplicate(file)
        ensure_within_quota(file)
        if file.unidentified is not None:
            raise file.unidentified
        after, events = _effects(file, lead, occasion)
    except Refusal as refusal:
        return rejected(file, refusal)
    return accepted(after), events


def _effects(
    file: PartnerFile, lead: CaptureLead | None, occasion: Occasion
) -> tuple[PartnerFile, list[Event]]:
    match file.record.event:
        case PartnerLeadSubmitted():
            dossier, events = capture(file.dossier, present(lead), occasion)
            return replace(file, dossier=dossier), events
        case PartnerSaleRecorded() as sale:
            dossier, events = record_sale(file.dossier, sale, file.record.partner_id, occasion)
            return replace(file, dossier=dossier), events
        case PartnerConstructionProgressed() as progress:
            return progress_construction(file, progress)
        case other:
            raise AssertionError(f"{type(other).__name__} is no partner event that we know")


def record_sale(
    dossier: Dossier, sale: PartnerSaleRecorded, partner_id: str, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring the purchase of a partner's sale to the stage that the partner records.

    Stages that were not told are left out, but a paid sale was signed before. A stage that the
    purchase has passed already changes nothing. Raises `Refusal` `unknown-sale`,
    `home-already-claimed`, `sale-of-another-home` and `purchase-rescinded`.
    """
    known = dossier.purchase
    events: list[Event] = []
    if known is None:
        dossier, purchase, events = _begin(dossier, sale, partner_id, occasion)
    elif known.home_id != sale.home_id:
        raise Refusal(
            "sale-of-another-home",
            "The sale was recorded for another home; rescind it and give the new one a reference"
            " of its own.",
            pointer="/home_id",
        )
    elif _is_passed(known, sale.stage):
        return dossier, []
    else:
        purchases.ensure_live(known)
        purchase = replace(known, price=sale.price)
    if sale.stage is PurchaseStage.RESCINDED:
        reason = sale.rescission_reason or RescissionReason.OTHER
        dossier, more = undo(dossier, purchase, sale.recorded_on, reason, occasion)
        return dossier, [*events, *more]
    signed_on, named = sale.signed_on or sale.recorded_on, sale.expected_completion
    for stage in _steps(known, sale.stage):
        step = Step(
            on=signed_on if stage is PurchaseStage.SIGNED else sale.recorded_on,
            deposit=sale.deposit if stage is sale.stage else None,
            completion=dossier.completion if named is None else Completion(named, signed_on),
            financing=sale.financing,
        )
        dossier, more = take_step(dossier, purchase, step, _MOVES[stage], occasion)
        purchase = present(dossier.purchase)
        events += more
    if dossier.completion is not None:
        # The builder may have moved the day after the signature, and be heard of first.
        purchase, more = purchases.completion_moved(purchase, dossier.completion, dossier.community)
        events += more
    return replace(dossier, purchase=purchase), events


_MOVES = {
    PurchaseStage.RESERVED: purchases.reserved,
    PurchaseStage.SUBSCRIBED: purchases.subscribed,
    PurchaseStage.SIGNED: purchases.signed,
    PurchaseStage.PAID: purchases.paid,
}


def _is_passed(purchase: Purchase, stage: PurchaseStage) -> bool:
    if stage is PurchaseStage.RESCINDED or not purchase.live:
        return stage is purchase.stage
    return purchases.ORDER.index(stage) <= purchases.ORDER.index(purchase.stage)


def _steps(known: Purchase | None, stage: PurchaseStage) -> list[PurchaseStage]:
    if stage is PurchaseStage.PAID and (known is None or not known.bound):
        return [PurchaseStage.SIGNED, PurchaseStage.PAID]
    return [stage]


def _begin(
    dossier: Dossier, sale: PartnerSaleRecorded, partner_id: str, occasion: Occasion
) -> tuple[Dossier, Purchase, list[Event]]:
    """A sale that we had not heard of: the buyer is recognised or registered."""
    if sale.stage is PurchaseStage.RESCINDED:
        raise Refusal(
            "unknown-sale",
            "No sale of this reference was recorded, so there is nothing to rescind.",
            kind=RefusalKind.NOT_FOUND,
            pointer="/sale_reference",
        )
    purchases.ensure_free(sale.home_id, dossier.claim)
    met = meet(
        dossier,
        Facts(language=sale.buyer.language),
        (),
        occasion,
        channel=LeadChannel.PARTNER,
        collected_through="partner",
        partner_id=partner_id,
    )
    lead = without_claim(dossier.leads.get(met.customer.customer_id))
    purchase = Purchase(
        purchase_id=occasion.derive_id("purchase"),
        customer_id=met.customer.customer_id,
        home_id=sale.home_id,
        community_id=sale.community_id,
        price=sale.price,
        stage=PurchaseStage.RESERVED,
        building=sale.building,
        lead_id=None if lead is None else lead.lead_id,
        product_line=sale.product_line,
        referral_code=sale.referral_code or (None if lead is None else lead.referral_code),
        partner_id=partner_id,
        sale_reference=sale.sale_reference,
    )
    dossier = replace(dossier, customer=met.customer, lead=lead, claimed=met.claimed)
    dossier = replace(dossier, reviews=tuple(questions(met.customer, met.recognised, occasion)))
    return dossier, purchase, list(met.events)


def progress_construction(
    file: PartnerFile, progress: PartnerConstructionProgressed
) -> tuple[PartnerFile, list[Event]]:
    """Note how far a building is; every signed purchase in it hears of another completion day.

    A report that is older than the last one changes nothing.
    """
    known = file.building
    if known is not None and progress.progressed_on < known.progressed_on:
        return file, []
    building = Building(
        progress.community_id,
        progress.building,
        progress.progressed_on,
        progress.expected_completion,
        progress.milestone,
        progress.percent_complete,
    )
    events: list[Event] = []
    moved = []
    for purchase in file.purchases:
        said = Completion(progress.expected_completion, progress.progressed_on)
        after, told = purchases.completion_moved(purchase, said, file.dossier.community)
        moved.append(after)
        events += told
    return replace(file, building=building, purchases=tuple(moved)), events
