"""Customers, settings, handovers, defects, cases, survey responses and crises."""

from alembic import op

revision = "service_desk_0001"
down_revision = None
branch_labels = ("service_desk",)
depends_on = None


def upgrade() -> None:
    """Create them, and the calendar and template that every desk begins with."""
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS = (
    """
    CREATE TABLE customers (
        customer_id text PRIMARY KEY,
        version integer NOT NULL,
        merged_into text,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX customers_merged_into ON customers (merged_into)",
    """
    CREATE TABLE communities (
        community_id text PRIMARY KEY,
        version integer NOT NULL,
        document jsonb NOT NULL
    )
    """,
    """
    CREATE TABLE calendars (
        code text NOT NULL,
        number integer NOT NULL,
        document jsonb NOT NULL,
        PRIMARY KEY (code, number)
    )
    """,
    """
    INSERT INTO calendars (code, number, document)
    SELECT 'standard', 1, jsonb_build_object(
        'code', 'standard', 'version', 1, 'zone', 'UTC', 'exceptions', jsonb_build_object(),
        'week', (
            SELECT jsonb_agg(
                CASE WHEN day <= 5
                    THEN jsonb_build_array(jsonb_build_object('opens', 540, 'closes', 1020))
                    ELSE jsonb_build_array()
                END ORDER BY day
            ) FROM generate_series(1, 7) AS day
        )
    )
    """,
    """
    CREATE TABLE handover_templates (
        code text NOT NULL,
        number integer NOT NULL,
        document jsonb NOT NULL,
        PRIMARY KEY (code, number)
    )
    """,
    """
    INSERT INTO handover_templates (code, number, document)
    SELECT 'standard', 1, jsonb_build_object(
        'code', 'standard', 'version', 1, 'completion_days', 365,
        'gates', (
            SELECT jsonb_agg(
                jsonb_build_object('gate', gate, 'days_before', days) ORDER BY days DESC
            )
            FROM (
                VALUES ('risk-inspection', 90), ('mock-acceptance', 60), ('open-day', 45),
                    ('recheck', 30), ('keys', 0)
            ) AS steps (gate, days)
        )
    )
    """,
    """
    CREATE TABLE handovers (
        handover_id text PRIMARY KEY,
        version integer NOT NULL,
        purchase_id text NOT NULL,
        customer_id text NOT NULL,
        home_id text NOT NULL,
        community_id text NOT NULL,
        building text,
        state text NOT NULL,
        next_gate text,
        next_gate_due_on date,
        signed_on date,
        handover_on date,
        critical_defects integer NOT NULL,
        document jsonb NOT NULL,
        CONSTRAINT one_handover_per_purchase UNIQUE (purchase_id)
    )
    """,
    "CREATE INDEX handovers_customer ON handovers (customer_id)",
    "CREATE INDEX handovers_home ON handovers (home_id)",
    "CREATE INDEX handovers_place ON handovers (community_id, building)",
    """
    CREATE TABLE defects (
        defect_id text PRIMARY KEY,
        version integer NOT NULL,
        customer_id text NOT NULL,
        handover_id text NOT NULL,
        home_id text NOT NULL,
        community_id text NOT NULL,
        building text,
        component text NOT NULL,
        severity text NOT NULL,
        reported_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        rectified_at timestamptz,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX defects_home ON defects (home_id, reported_at)",
    "CREATE INDEX defects_customer ON defects (customer_id)",
    """
    CREATE TABLE cases (
        case_id text PRIMARY KEY,
        version integer NOT NULL,
        customer_id text NOT NULL,
        source_reference text,
        category text NOT NULL,
        severity text NOT NULL,
        priority text NOT NULL,
        state text NOT NULL,
        community_id text,
        building text,
        home_id text,
        received_at timestamptz NOT NULL,
        overdue_from timestamptz,
        resolution_due_at timestamptz,
        resolved_at timestamptz,
        closed_at timestamptz,
        late boolean NOT NULL,
        document jsonb NOT NULL,
        CONSTRAINT one_case_per_reference UNIQUE (customer_id, source_reference)
    )
    """,
    "CREATE INDEX cases_customer ON cases (customer_id, received_at)",
    "CREATE INDEX cases_received ON cases (received_at, case_id)",
    "CREATE INDEX cases_place ON cases (community_id, received_at)",
    "CREATE INDEX cases_overdue ON cases (overdue_from) WHERE overdue_from IS NOT NULL",
    """
    CREATE TABLE responses (
        response_id text PRIMARY KEY,
        version integer NOT NULL,
        customer_id text NOT NULL,
        survey text NOT NULL,
        response_reference text,
        touchpoint text NOT NULL,
        community_id text,
        answered_at timestamptz NOT NULL,
        act_by timestamptz,
        acted_at timestamptz,
        document jsonb NOT NULL,
        CONSTRAINT one_answer_per_reference UNIQUE (survey, response_reference)
    )
    """,
    "CREATE INDEX responses_customer ON responses (customer_id)",
    "CREATE INDEX responses_answered ON responses (answered_at, response_id)",
    """
    CREATE TABLE crises (
        crisis_id text PRIMARY KEY,
        version integer NOT NULL,
        community_id text NOT NULL,
        building text,
        category text,
        declared_at timestamptz NOT NULL,
        lifted_at timestamptz,
        document jsonb NOT NULL
    )
    """,
    """
    CREATE UNIQUE INDEX one_live_crisis ON crises
    (community_id, coalesce(building, ''), coalesce(category, '')) WHERE lifted_at IS NULL
    """,
)
