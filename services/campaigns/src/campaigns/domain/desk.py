"""The marketing desk's decisions: campaigns, templates, policy, suppressions, points by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from campaigns.domain import membership, people
from campaigns.domain.campaign import Campaign
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.membership import LotDeadline, Membership
from campaigns.domain.occasion import Occasion
from campaigns.domain.policy import Policy
from campaigns.domain.template import Template
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.vocabulary import Channel, PointsReason


@dataclass(frozen=True, slots=True)
class CreateCampaign:
    """A new campaign; its version is 1."""

    campaign: Campaign


@dataclass(frozen=True, slots=True)
class ChangeCampaign:
    """A campaign as it is to be; `expected_version` is the one that the editor saw, if given."""

    campaign: Campaign
    expected_version: int | None


@dataclass(frozen=True, slots=True)
class PutTemplate:
    """A template as it is to be, new or changed."""

    template: Template
    expected_version: int | None


@dataclass(frozen=True, slots=True)
class PutPolicy:
    """The sending policy as it is to be."""

    policy: Policy
    expected_version: int | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the desk's decisions look at: the campaign and template of one code, and the policy."""

    policy: Policy
    campaign: Campaign | None = None
    template: Template | None = None
    templates: frozenset[str] = frozenset()
    """The codes of all templates."""


def create_campaign(
    state: Catalogue,
    command: CreateCampaign,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[Catalogue, list[Event]]:
    """Add a campaign. Raises `Refusal` when its code is taken or a template is not there."""
    if state.campaign is not None:
        raise Refusal(
            "campaign-exists",
            "A campaign has this code already; choose another code, or change that one with PUT.",
            pointer="/code",
        )
    _check_templates(state, command.campaign)
    return replace(state, campaign=replace(command.campaign, version=1)), []


def change_campaign(
    state: Catalogue,
    command: ChangeCampaign,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[Catalogue, list[Event]]:
    """Change a campaign; messages that are planned already follow the new version."""
    known = state.campaign
    if known is None:
        raise no_campaign()
    _check_version(known.version, command.expected_version)
    _check_templates(state, command.campaign)
    changed = replace(command.campaign, version=known.version)
    if changed == known:
        return state, []
    return replace(state, campaign=replace(changed, version=known.version + 1)), []


def put_template(
    state: Catalogue,
    command: PutTemplate,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[Catalogue, list[Event]]:
    """Add or change a template."""
    known = state.template
    _check_version(None if known is None else known.version, command.expected_version)
    version = 1 if known is None else known.version
    changed = replace(command.template, version=version)
    if known is not None and changed != known:
        changed = replace(changed, version=version + 1)
    return replace(state, template=changed), []


def put_policy(
    state: Catalogue,
    command: PutPolicy,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[Catalogue, list[Event]]:
    """Change the sending policy, for every message that is decided on from now on."""
    known = state.policy
    _check_version(known.version, command.expected_version)
    changed = replace(command.policy, version=known.version)
    if changed == known:
        return state, []
    return replace(state, policy=replace(changed, version=known.version + 1)), []


def no_campaign() -> Refusal:
    """There is no campaign of this code."""
    return Refusal(
        "no-such-campaign",
        "No campaign has this code; GET /campaigns lists those that there are.",
        kind=RefusalKind.NOT_FOUND,
    )


@dataclass(frozen=True, slots=True)
class Suppress:
    """Let nothing more go to a customer through a channel; `reason` None lifts it."""

    customer_id: str
    channel: Channel
    reason: str | None


def suppress(
    file: CustomerFile,
    command: Suppress,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[CustomerFile, list[Event]]:
    """Suppress a channel, or lift that, for every id of the person."""
    for record in file.customer.records:
        file = file.with_person(people.with_suppression(record, command.channel, command.reason))
    return file, []


@dataclass(frozen=True, slots=True)
class Award:
    """Give a member points."""

    member_id: str
    points: int
    reason: PointsReason


@dataclass(frozen=True, slots=True)
class Redeem:
    """Spend a member's points."""

    member_id: str
    points: int
    reason: PointsReason


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo an entry of a member."""

    member_id: str
    entry_id: str


def award(file: CustomerFile, command: Award, cause: Occasion) -> tuple[CustomerFile, list[Event]]:
    """Give points that may be spent at once."""
    member, events = membership.award(
        _member(file),
        entry_id=cause.derive_id("award"),
        points=command.points,
        reason=command.reason,
        at=cause.at,
    )
    return file.with_membership(member), events


def redeem(
    file: CustomerFile, command: Redeem, cause: Occasion
) -> tuple[CustomerFile, list[Event]]:
    """Spend points. Raises `Refusal` when the balance is too small."""
    member, events = membership.redeem(
        _member(file),
        entry_id=cause.derive_id("redemption"),
        points=command.points,
        reason=command.reason,
        at=cause.at,
    )
    return file.with_membership(member), events


def undo(file: CustomerFile, command: Undo, cause: Occasion) -> tuple[CustomerFile, list[Event]]:
    """Undo an entry that gave or spent points; again, it changes nothing."""
    member = _member(file)
    if all(entry.entry_id != command.entry_id for entry in member.entries):
        raise Refusal(
            "no-such-entry",
            "The member has no such entry; GET /members/{id}/entries lists those that there are.",
            kind=RefusalKind.INVALID,
            pointer="/entry_id",
        )
    member, events = membership.undo(
        member, command.entry_id, reason=PointsReason.CORRECTION, at=cause.at
    )
    return file.with_membership(member), events


def lot_due(
    file: CustomerFile,
    deadline: LotDeadline,
    cause: Occasion,  # noqa: ARG001 - a decision's shape
) -> tuple[CustomerFile, list[Event]]:
    """A lot of points becomes active, or expires."""
    member, events = membership.lot_due(file.membership(file.customer.customer_id), deadline)
    return file.with_membership(member), events


def no_member() -> Refusal:
    """There is no member of this id."""
    return Refusal(
        "no-such-member",
        "Nobody of this id is a member; a customer becomes one by signing a contract.",
        kind=RefusalKind.NOT_FOUND,
    )


def _member(file: CustomerFile) -> Membership:
    member = file.membership(file.customer.customer_id)
    if member.enrolled_at is None:
        raise no_member()
    return member


def _check_version(known: int | None, expected: int | None) -> None:
    if expected is not None and expected != known:
        raise Refusal(
            "changed-meanwhile",
            f"This is at version {known or 0}, not {expected}; read it again, then change it.",
        )


def _check_templates(state: Catalogue, campaign: Campaign) -> None:
    for number, step in enumerate(campaign.steps):
        if step.template not in state.templates:
            raise Refusal(
                "no-such-template",
                f"There is no template {step.template}; PUT /templates/{step.template} first.",
                kind=RefusalKind.INVALID,
                pointer=f"/steps/{number}/template",
            )
