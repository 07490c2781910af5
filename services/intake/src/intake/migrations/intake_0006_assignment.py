"""Advisors, who is on duty, and how long a lead is protected."""

from alembic import op

revision = "intake_0006"
down_revision = "intake_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE advisors (
        advisor_id text PRIMARY KEY,
        version integer NOT NULL,
        communities jsonb NOT NULL,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX advisors_communities ON advisors USING gin (communities)",
    """
    ALTER TABLE leads
        ADD COLUMN response_due timestamptz,
        ADD COLUMN owner text,
        ADD COLUMN protected_until timestamptz,
        ADD COLUMN facts integer NOT NULL DEFAULT 0,
        ADD COLUMN facts_at timestamptz
    """,
    """
    CREATE INDEX leads_in_pool ON leads (community_id, captured_at, lead_id)
        WHERE status = 'open' AND advisor_id IS NULL
    """,
    # Without a foreign key: the history of a lead outlives it. The number makes two decisions on
    # one lead that saw the same history collide.
    """
    CREATE TABLE ownership_facts (
        lead_id text NOT NULL,
        number integer NOT NULL,
        community_id text,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        party_kind text CHECK (party_kind IN ('advisor', 'agency')),
        party_id text,
        contact text,
        days smallint NOT NULL,
        reason text NOT NULL,
        detail jsonb NOT NULL,
        PRIMARY KEY (lead_id, number)
    )
    """,
    """
    CREATE INDEX ownership_facts_given ON ownership_facts (party_id, at)
        WHERE kind = 'given' AND party_id IS NOT NULL
    """,
    """
    CREATE INDEX ownership_facts_lately ON ownership_facts (community_id, at DESC)
        WHERE kind = 'given' AND party_id IS NOT NULL
    """,
    """
    CREATE TRIGGER ownership_facts_append_only BEFORE UPDATE OR DELETE ON ownership_facts
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
)
