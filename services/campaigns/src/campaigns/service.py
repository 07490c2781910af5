"""The composition root: settings, channels, routes, reactions, the sender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import Field, HttpUrl, SecretStr, model_validator

from campaigns.api import router
from campaigns.channels.file import FileChannel
from campaigns.channels.port import ChannelPort
from campaigns.channels.smtp import SmtpChannel, SmtpServer
from campaigns.channels.webhook import Receiver, WebhookChannel, secret_of
from campaigns.domain.links import Links
from campaigns.reactions import reactions
from campaigns.store import CampaignsStore
from campaigns.store.holdings import HOLDINGS
from campaigns.tasks.sender import Sender
from keyturn_chassis.erasure import Erasing
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings
from keyturn_events.campaigns import (
    MemberEnrolled,
    MessageFailed,
    MessageHeld,
    MessageSent,
    MessagesErased,
    MessageSkipped,
    PointsEarned,
    PointsExpired,
    PointsReversed,
    PointsSpent,
    ReferralAccepted,
    ReferralClawedBack,
    ReferralInvited,
    ReferralRefused,
    ReferralRewarded,
    TierChanged,
)
from keyturn_events.intake import (
    CustomersMerged,
    CustomersUnmerged,
    LeadCaptured,
    PurchaseEvent,
)
from keyturn_events.vocabulary import Channel

Adapter: TypeAlias = Literal["webhook", "file", "none"]


class CampaignsSettings(Settings):
    """What campaigns is told beside what every service is: which way each channel goes out.

    `none` switches a channel off: its messages go to the next one, or wait.
    """

    email_adapter: Literal["smtp", "webhook", "file", "none"] = "file"
    sms_adapter: Adapter = "file"
    wechat_adapter: Adapter = "file"
    phone_adapter: Adapter = "file"
    post_adapter: Adapter = "file"

    channel_file: Path = Path("build/messages.jsonl")
    """Where the `file` adapter writes; it will hold contact details."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_sender: str = Field(default="no-reply@keyturn.example", pattern=r"^[^@\s]+@[^@\s]+$")
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_start_tls: bool | None = None
    """Whether TLS is asked for; takes it where the server offers it when not set."""

    preference_url: HttpUrl = HttpUrl("http://127.0.0.1:8001")
    """Where links to people lead: intake's routes for links, as people reach them."""

    webhook_url: HttpUrl | None = None
    """Where the `webhook` adapter posts: the gateway that sends SMS, WeChat messages and so on."""
    webhook_secret: SecretStr | None = None
    """Shared with the gateway: `whsec_` and base64, as Standard Webhooks writes it."""

    @model_validator(mode="after")
    def _links_lead_somewhere(self) -> Self:
        url = self.preference_url
        if url.scheme != "https" and (url.host != "127.0.0.1" or self.environment != "local"):
            raise ValueError("KEYTURN_PREFERENCE_URL should be https: its links are keys")
        return self

    @model_validator(mode="after")
    def _webhook_complete(self) -> Self:
        adapters = (
            self.email_adapter,
            self.sms_adapter,
            self.wechat_adapter,
            self.phone_adapter,
            self.post_adapter,
        )
        if "webhook" not in adapters:
            return self
        if self.webhook_url is None or self.webhook_secret is None:
            raise ValueError("the webhook adapter needs KEYTURN_WEBHOOK_URL and _SECRET")
        if self.webhook_url.scheme != "https" and self.webhook_url.host != "127.0.0.1":
            raise ValueError("KEYTURN_WEBHOOK_URL should be https: it carries contact details")
        secret_of(self.webhook_secret.get_secret_value())
        return self


def channels_of(settings: CampaignsSettings) -> Mapping[Channel, ChannelPort]:
    """The way out of each channel that is switched on."""
    password = settings.smtp_password
    adapters: dict[str, ChannelPort] = {
        "file": FileChannel(settings.channel_file),
        "smtp": SmtpChannel(
            SmtpServer(
                settings.smtp_host,
                settings.smtp_port,
                settings.smtp_sender,
                settings.smtp_username,
                None if password is None else password.get_secret_value(),
                settings.smtp_start_tls,
            )
        ),
    }
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        secret = secret_of(settings.webhook_secret.get_secret_value())
        adapters["webhook"] = WebhookChannel(Receiver(str(settings.webhook_url), secret))
    chosen = {
        Channel.EMAIL: settings.email_adapter,
        Channel.SMS: settings.sms_adapter,
        Channel.WECHAT: settings.wechat_adapter,
        Channel.PHONE: settings.phone_adapter,
        Channel.POST: settings.post_adapter,
    }
    return {
        channel: adapters[adapter] for channel, adapter in chosen.items() if adapter in adapters
    }


def links_of(settings: CampaignsSettings) -> Links:
    """Where the links of messages lead."""
    return Links(str(settings.preference_url).rstrip("/"))


service = Service(
    name="campaigns",
    title="Keyturn campaigns",
    description="Who is told what and why, who brought whom, and what the club owes its members.",
    settings=CampaignsSettings,
    store=CampaignsStore(),
    router=router,
    reactions=reactions,
    publishes=(
        MessageSent,
        MessageHeld,
        MessageSkipped,
        MessageFailed,
        ReferralInvited,
        ReferralAccepted,
        ReferralRefused,
        ReferralRewarded,
        ReferralClawedBack,
        MemberEnrolled,
        PointsEarned,
        PointsSpent,
        PointsExpired,
        PointsReversed,
        TierChanged,
        MessagesErased,
    ),
    migrations=Path(__file__).parent / "migrations",
    tasks=(Sender(channels_of, links_of),),
    erasing=Erasing(
        receipt=MessagesErased,
        # Somebody else may be rewarded for them, or be one person with who is to be forgotten.
        keeps=(LeadCaptured, PurchaseEvent, CustomersMerged, CustomersUnmerged),
    ),
    holdings=HOLDINGS,
    scopes={
        "customers:export": "See everything that is held on one person",
        "campaigns:read": "See campaigns, templates and the sending policy",
        "campaigns:write": "Change campaigns, templates and the sending policy",
        "messages:read": "See what a customer was sent, or not, and why",
        "messages:write": "Suppress channels of a customer",
        "referrals:read": "See referral codes and the share of purchases by referral",
        "members:read": "See members, their points and their entries",
        "members:write": "Give, spend and take back points",
    },
)
