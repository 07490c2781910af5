"""Customers, their timelines, the segments they are in, and the models that decide."""

import json
from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "segmentation_0001"
down_revision = None
branch_labels = ("segmentation",)
depends_on = "chassis_0001"

MODELS = Path(__file__).parents[1] / "models"


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for name in ("pulte.v1.json", "silence.v1.json"):
        document = json.loads((MODELS / name).read_text(encoding="utf-8"))
        op.get_bind().execute(
            text(
                "INSERT INTO models (model, version, document, published_at, rolled_out_at)"
                " VALUES (:model, :version, CAST(:document AS json), now(), now())"
            ),
            {
                "model": document["model"],
                "version": document["version"],
                "document": json.dumps(document, ensure_ascii=False),
            },
        )


STATEMENTS = (
    """
    CREATE TABLE customers (
        customer_id text PRIMARY KEY,
        survivor_id text NOT NULL,
        version integer NOT NULL,
        facts json NOT NULL,
        standing json NOT NULL
    )
    """,
    """
    CREATE INDEX customers_merged ON customers (survivor_id)
    WHERE survivor_id <> customer_id
    """,
    """
    CREATE TABLE timeline (
        customer_id text NOT NULL,
        at timestamptz NOT NULL,
        event_id text NOT NULL,
        type text NOT NULL,
        facts json NOT NULL,
        PRIMARY KEY (customer_id, at, event_id)
    )
    """,
    """
    CREATE TABLE memberships (
        customer_id text NOT NULL,
        model text NOT NULL,
        segment text NOT NULL,
        since timestamptz NOT NULL,
        PRIMARY KEY (customer_id, model)
    )
    """,
    "CREATE INDEX memberships_segment ON memberships (model, segment, customer_id)",
    """
    CREATE TABLE models (
        model text NOT NULL,
        version integer NOT NULL CHECK (version > 0),
        document json NOT NULL,
        published_at timestamptz NOT NULL,
        rolled_out_to text NOT NULL DEFAULT '',
        rolled_out_at timestamptz,
        PRIMARY KEY (model, version)
    )
    """,
)
