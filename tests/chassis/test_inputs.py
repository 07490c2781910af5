"""Ids that come with the input."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from keyturn_chassis.inputs import Cause

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAMESPACE = UUID("6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_derived_id_is_a_version_5_uuid_of_source_id_and_parts(
    source: str, id: str, part: str
) -> None:
    derived = Cause(source, id, AT).derive_id(part, 3)

    assert derived == str(uuid5(NAMESPACE, f"{source}\x1f{id}\x1f{part}\x1f3"))


def test_time_and_trace_do_not_enter_an_id() -> None:
    other = Cause("s", "1", datetime(2030, 1, 1, tzinfo=UTC), "00-trace")
    assert Cause("s", "1", AT).derive_id("x") == other.derive_id("x")
