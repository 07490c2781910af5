"""What became of each row of an import, and how to take it back."""

from alembic import op

revision = "intake_0004"
down_revision = "intake_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS: tuple[str, ...] = (
    # A row of a file that was taken: what it did is remembered so that it can be taken back. It
    # refers to its import without a constraint, which a million rows would check one by one.
    """
    CREATE TABLE import_rows (
        import_id text NOT NULL,
        row_number integer NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('created', 'joined')),
        customer_id text NOT NULL,
        lead_id text NOT NULL,
        touch_id text NOT NULL,
        opened boolean NOT NULL,
        changes jsonb,
        undo text,
        PRIMARY KEY (import_id, row_number)
    )
    """,
    # Erasure takes what is remembered of a customer's values.
    """
    CREATE INDEX import_rows_with_values ON import_rows (customer_id) WHERE changes IS NOT NULL
    """,
    "ALTER TABLE import_rejections ADD COLUMN original text",
    "ALTER TABLE touches ADD COLUMN withdrawn_at timestamptz",
    "CREATE INDEX imports_newest ON imports (created_at DESC, import_id DESC)",
    """
    CREATE INDEX imports_in_hand ON imports (created_at, import_id)
        WHERE status IN ('receiving', 'waiting', 'running', 'undoing')
    """,
    "DROP INDEX imports_to_do",
    # A lead that was taken back is neither open nor in the way of another.
    """
    ALTER TABLE leads DROP CONSTRAINT leads_status_check,
        ADD CONSTRAINT leads_status_check CHECK (status IN ('open', 'lost', 'won', 'withdrawn'))
    """,
    "DROP INDEX leads_one_live",
    """
    CREATE UNIQUE INDEX leads_one_live ON leads (customer_id, coalesce(community_id, ''))
        WHERE status NOT IN ('won', 'withdrawn')
    """,
    # Whoever decided on a customer while that was taken back decides again.
    """
    CREATE FUNCTION refuse_leads_of_nobody() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added JOIN customers USING (customer_id)
            WHERE customers.document ? 'withdrawn_at'
        ) THEN
            RAISE EXCEPTION 'a customer was withdrawn' USING ERRCODE = 'foreign_key_violation';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER leads_of_somebody AFTER INSERT ON leads
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_leads_of_nobody()
    """,
)
