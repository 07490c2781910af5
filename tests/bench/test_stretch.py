from __future__ import annotations

from aiokafka import TopicPartition

from bench.stage import Stretch

ONE, OTHER = TopicPartition("leads", 0), TopicPartition("leads", 1)
STRETCH = Stretch({ONE: 10, OTHER: 0}, {ONE: 30, OTHER: 5})


def test_a_stretch_is_as_long_as_what_was_written_to_all_partitions() -> None:
    assert STRETCH.length == 25


def test_only_offsets_within_the_stretch_count() -> None:
    assert STRETCH.covered({}) == 0
    assert STRETCH.covered({ONE: 4}) == 0
    assert STRETCH.covered({ONE: 12, OTHER: 1}) == 3
    assert STRETCH.covered({ONE: 99, OTHER: 99}) == 25
