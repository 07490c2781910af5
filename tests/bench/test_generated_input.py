from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from random import Random

import pytest

from bench.histories import LEAST_EVENTS, histories, news
from bench.load import Job, answer_ends, requests
from bench.narrator import customer_id
from bench.outbox_rows import COLUMNS
from bench.people import RETURNING, csv_lines, leads
from bench.records import Record
from intake.domain.imports.imports import FileLayout
from intake.reading.contact_points import identify
from intake.reading.lead_form import LeadForm
from intake.reading.rows import RowReader
from keyturn_chassis.cloudevents import decode
from keyturn_chassis.outbox import outbox
from keyturn_events import CATALOGUE, Envelope


@pytest.fixture(scope="module")
def told() -> list[Record]:
    return histories(30, seed=1)


def envelope(record: Record) -> Envelope:
    headers = dict(record.headers)
    kind = CATALOGUE[headers["ce_type"].decode()]
    message = decode(kind, record.headers, record.value)
    assert message.event.topic == record.topic
    assert message.event.subject.encode() == record.key
    return message.envelope


def test_every_record_of_a_history_is_an_event_on_its_topic(told: list[Record]) -> None:
    envelopes = [envelope(record) for record in told]

    assert len({one.id for one in envelopes}) == len(told)
    assert {one.subject for one in envelopes} == {customer_id(1, number) for number in range(30)}


def test_histories_overlap_and_each_goes_forward_in_time(told: list[Record]) -> None:
    times = defaultdict(list)
    for record in told:
        one = envelope(record)
        times[one.subject].append(one.time)

    assert all(earlier < later for of in times.values() for earlier, later in pairwise(of))
    assert sum(one.key != other.key for one, other in pairwise(told)) > len(told) / 3


def test_a_history_has_some_twenty_events(told: list[Record]) -> None:
    counts = Counter(record.key for record in told)

    assert min(counts.values()) >= LEAST_EVENTS
    assert 14 <= len(told) / 30 <= 26


def test_news_of_a_customer_is_never_the_same_event_again() -> None:
    customers = [customer_id(1, number) for number in range(5)]

    first, second = news(customers, 4, seed=1), news(customers, 4, seed=2)

    assert Counter(record.key for record in first) == {one.encode(): 4 for one in customers}
    ids = {envelope(record).id for record in (*first, *second)}
    assert len(ids) == 40


def test_leads_are_what_the_door_accepts_and_some_people_come_again() -> None:
    forms = [LeadForm.read(form) for form in leads(Random(1), 0, 1_000)]

    people = {identify(form.command().person, "CN").phone for form in forms}
    assert abs(1 - len(people) / 1_000 - RETURNING) < 0.04


def test_a_file_of_leads_has_the_rows_that_the_import_reads() -> None:
    content = "".join(csv_lines(Random(1), 0, 200)).encode()

    reader = RowReader(FileLayout())
    rows = [*reader.feed(content), *reader.finish()]

    forms = [LeadForm.read(row.form) for row in rows if row.fault is None]
    assert len(forms) == 200
    assert any(form.household is not None for form in forms)
    assert any(form.affordability is not None for form in forms)
    assert all(form.consents for form in forms)


def test_an_outbox_can_be_filled_by_the_names_of_its_columns(told: list[Record]) -> None:
    needed = {
        column.name
        for column in outbox.columns
        if column.identity is None and column.server_default is None and not column.nullable
    }
    assert needed <= COLUMNS.keys()
    headers = {name: value.decode() for name, value in told[0].headers}
    assert COLUMNS["type"](told[0], headers) == headers["ce_type"]


def test_requests_carry_a_body_of_the_length_they_name_and_a_key_of_their_own() -> None:
    job = Job("127.0.0.1", 80, "/leads", "token", 1, 0.0, 1.0, 3, seed=1)

    made = [request.partition(b"\r\n\r\n") for request in requests(job)]

    keys = set()
    for head, _, body in made:
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert int(lines[b"content-length"]) == len(body)
        keys.add(lines[b"idempotency-key"])
    assert len(keys) == 3


def test_an_answer_ends_with_the_last_byte_of_its_body() -> None:
    answer = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nx: y\r\n\r\nabcde"

    assert answer_ends(answer)
    assert not any(answer_ends(answer[:length]) for length in range(len(answer)))
