"""Who may use a route: one name for each scope."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Path, Security
from pydantic import Field

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_events.scalars import CODE_PATTERN, ID_PATTERN

CampaignReader: TypeAlias = Annotated[Principal, Security(principal, scopes=["campaigns:read"])]
CampaignWriter: TypeAlias = Annotated[
    commands.Caller, Security(commands.caller, scopes=["campaigns:write"])
]
MessageReader: TypeAlias = Annotated[Principal, Security(principal, scopes=["messages:read"])]
MessageWriter: TypeAlias = Annotated[
    commands.Caller, Security(commands.caller, scopes=["messages:write"])
]
ReferralReader: TypeAlias = Annotated[Principal, Security(principal, scopes=["referrals:read"])]
MemberReader: TypeAlias = Annotated[Principal, Security(principal, scopes=["members:read"])]
MemberWriter: TypeAlias = Annotated[
    commands.Caller, Security(commands.caller, scopes=["members:write"])
]

CodePath: TypeAlias = Annotated[str, Path(pattern=CODE_PATTERN)]
IdPath: TypeAlias = Annotated[str, Path(pattern=ID_PATTERN)]

ExpectedVersion: TypeAlias = Annotated[
    int | None,
    Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="The version that you saw; the change is refused when there is a newer one.",
    ),
]
