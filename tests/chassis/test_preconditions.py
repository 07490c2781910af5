from __future__ import annotations

import pytest

from keyturn_chassis.database import Loaded
from keyturn_chassis.preconditions import MOST_CHARACTERS, Precondition, etag
from keyturn_events import Refusal, RefusalKind


def holds(header: str, version: int) -> bool:
    precondition = Precondition.read(header)
    assert precondition is not None
    try:
        precondition.check(version)
    except Refusal:
        return False
    return True


def test_what_does_not_hold_is_refused_with_the_header_to_mend() -> None:
    with pytest.raises(Refusal) as refused:
        Precondition(frozenset({7})).check(8)

    told = refused.value
    assert (told.code, told.kind) == ("precondition-failed", RefusalKind.STALE)
    assert told.pointer == "/headers/if-match"


def test_without_the_header_nothing_is_demanded() -> None:
    assert Precondition.read(None) is None


def test_the_tag_of_a_read_holds_while_that_is_the_version() -> None:
    assert holds(etag(7), 7)
    assert not holds(etag(7), 8)


def test_any_of_several_tags_may_hold() -> None:
    assert holds('"3", "7"', 7)
    assert holds('"3","7" , "9"', 9)
    assert not holds('"3", "7"', 4)


def test_a_star_holds_for_whatever_exists() -> None:
    assert holds(" * ", 1)
    assert not holds("*", 0)


@pytest.mark.parametrize(
    "header", ["", "7", 'W/"7"', '"x"', '"-7"', '"7', "'7'", '"' + "7" * 19 + '"']
)
def test_what_is_no_tag_of_ours_holds_for_no_version(header: str) -> None:
    assert not holds(header, 7)


def test_what_does_not_exist_has_no_tag() -> None:
    assert not holds('"1"', 0)


def test_a_header_is_read_as_far_as_it_may_be_long() -> None:
    padding = '"1",' * (MOST_CHARACTERS // 4)

    assert not holds(padding + '"7"', 7)
    assert holds(padding[:-8] + ',"7"', 7)


def test_a_value_that_a_batch_has_changed_has_the_version_it_will_be_saved_with() -> None:
    loaded = Loaded({"a": (3, "x")})
    loaded.put("a", "y")
    loaded.put("b", "new")

    assert [loaded.version(key) for key in ("a", "b", "c")] == [4, 1, 0]
