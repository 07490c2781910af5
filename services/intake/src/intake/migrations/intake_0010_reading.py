"""The read side: leads found by the name of their customer, and the indexes of their lists."""

from alembic import op
from sqlalchemy import text

from intake.domain.people.name_search import search_terms

revision = "intake_0010"
down_revision = "intake_0009"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 5_000


def upgrade() -> None:
    op.execute("ALTER TABLE leads ADD COLUMN search_terms text NOT NULL DEFAULT ''")
    _fill_search_terms()
    for statement in STATEMENTS:
        op.execute(statement)


def _fill_search_terms() -> None:
    """Give the leads that are there the terms of their customers' names."""
    connection = op.get_bind()
    after = ""
    while True:
        named = connection.execute(
            text(
                "SELECT customer_id, document->>'name' AS name FROM customers"
                " WHERE customer_id > :after ORDER BY customer_id LIMIT :rows"
            ),
            {"after": after, "rows": ROWS_AT_ONCE},
        ).all()
        if not named:
            return
        after = named[-1].customer_id
        connection.execute(
            text(
                "UPDATE leads SET search_terms = given.terms FROM unnest("
                "CAST(:customers AS text[]), CAST(:terms AS text[])) AS given (customer_id, terms)"
                " WHERE leads.customer_id = given.customer_id AND given.terms <> ''"
            ),
            {
                "customers": [row.customer_id for row in named],
                "terms": [search_terms(row.name) for row in named],
            },
        )


STATEMENTS: tuple[str, ...] = (
    # Names and facets in one index, so that the rarest of what is asked for leads the search. Few
    # rows wait to be sorted in, since every search looks at those too.
    """
    CREATE INDEX leads_found_by ON leads USING gin (
        string_to_array(search_terms, ' '),
        (ARRAY[
            'status/' || status,
            'stage/' || stage,
            'community/' || coalesce(community_id, ''),
            'advisor/' || coalesce(advisor_id, ''),
            'line/' || coalesce(product_line, ''),
            'score/' || coalesce(CAST(score / 10 AS text), '')
        ])
    ) WITH (fastupdate = on, gin_pending_list_limit = 256)
    """,
    # How common a name is has to be known for more names than the usual hundred.
    "ALTER INDEX leads_found_by ALTER COLUMN 1 SET STATISTICS 300",
    "CREATE INDEX leads_at_stage ON leads (status, stage, captured_at DESC, lead_id DESC)",
    "DROP INDEX leads_of_community",
    # In place of the one of communities alone: the lists of all stages are merged.
    """
    CREATE INDEX leads_of_community_at_stage
        ON leads (community_id, status, stage, captured_at DESC, lead_id DESC)
    """,
    """
    CREATE INDEX leads_of_advisor ON leads (advisor_id, status, captured_at DESC, lead_id DESC)
        WHERE advisor_id IS NOT NULL
    """,
    # The last digits of a phone, as people remember them.
    """
    CREATE INDEX identifiers_phone_end ON identifiers (reverse(value) text_pattern_ops)
        WHERE kind = 4
    """,
    "CREATE INDEX purchases_lead_id ON purchases (lead_id) WHERE lead_id IS NOT NULL",
)
