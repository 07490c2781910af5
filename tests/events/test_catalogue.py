"""The catalogue as a whole: names, owners, and where personal data may stand."""

import inspect
import subprocess
import sys

import pytest

from keyturn_events import (
    ALL_TOPICS,
    CATALOGUE,
    CustomerEvent,
    Event,
    Topic,
    campaigns,
    intake,
    partners,
    segmentation,
    service_desk,
)
from keyturn_events.intake import ContactChanged, ContactErased, LeadCaptured
from keyturn_events.scalars import CODE_PATTERN

OWNERS = {
    "intake": intake,
    "segmentation": segmentation,
    "service-desk": service_desk,
    "campaigns": campaigns,
    "partners": partners,
}
CONTACT_FIELDS = {"name", "phone", "phones", "email", "emails", "wechat", "address", "person"}


def test_an_event_is_declared_in_the_module_of_the_service_that_may_write_its_topic() -> None:
    for event_class in CATALOGUE.values():
        assert event_class.__module__ == OWNERS[event_class.topic.owner].__name__


def test_every_topic_carries_at_least_one_event_type() -> None:
    assert {event_class.topic for event_class in CATALOGUE.values()} == set(ALL_TOPICS)


def test_only_restricted_topics_carry_contact_details() -> None:
    carriers = {
        event_class
        for event_class in CATALOGUE.values()
        if CONTACT_FIELDS & event_class.model_fields.keys()
    }

    assert ContactChanged in carriers
    assert all(event_class.topic.restricted for event_class in carriers)


def test_an_unrestricted_topic_carries_no_free_text() -> None:
    for event_class in CATALOGUE.values():
        if not event_class.topic.restricted:
            assert not {"detail", "text", "comment", "note"} & event_class.model_fields.keys()


def test_events_of_ours_are_kept_in_order_by_customer_and_those_of_partners_are_not() -> None:
    for name, event_class in CATALOGUE.items():
        by_customer = issubclass(event_class, CustomerEvent)
        assert by_customer == (event_class.topic.owner != "partners") or name.startswith(
            "keyturn.partner-event."
        )


def test_every_event_says_in_a_sentence_of_its_own_what_happened() -> None:
    sentences = [inspect.getdoc(event_class) for event_class in CATALOGUE.values()]

    assert len(set(sentences)) == len(CATALOGUE)
    assert all(sentence and sentence.splitlines()[0].endswith(".") for sentence in sentences)


def test_a_type_name_is_taken_once() -> None:
    with pytest.raises(TypeError, match=r"keyturn\.lead\.captured\.v1 already names LeadCaptured"):
        type("Again", (CustomerEvent,), {}, type=LeadCaptured.type, topic=Topic.INTAKE_LEADS)


@pytest.mark.parametrize(
    "name", ["lead.captured.v1", "keyturn.lead.v1", "keyturn.Lead.captured.v1"]
)
def test_a_type_name_that_breaks_the_convention_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=r"is not <noun>\.<past tense>\.v<n>"):
        type("Odd", (CustomerEvent,), {}, type=name, topic=Topic.INTAKE_LEADS)
    assert name not in CATALOGUE


def test_an_event_without_a_subject_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Event()  # type: ignore[abstract] # that it is abstract is what is tested


def test_an_event_cannot_be_changed() -> None:
    erased = ContactErased(customer_id="cus-1")

    with pytest.raises(ValueError, match="frozen"):
        erased.customer_id = "cus-2"  # type: ignore[misc] # that it is frozen is what is tested


def test_codes_are_lower_case_words() -> None:
    assert CODE_PATTERN == r"^[a-z0-9][a-z0-9._-]{0,63}$"


def test_reading_events_imports_nothing_beyond_pydantic_and_what_it_needs() -> None:
    program = (
        "import sys, pydantic; before = set(sys.modules); import keyturn_events;"
        "new = {name: sys.modules[name] for name in sys.modules.keys() - before};"
        "files = {name: getattr(module, '__file__', '') or '' for name, module in new.items()};"
        "print(*{n.partition('.')[0] for n, file in files.items() if 'site-packages' in file})"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    needed = {"keyturn_events", "pydantic", "pydantic_core", "annotated_types"}
    assert set(done.stdout.split()) <= needed | {"typing_extensions", "typing_inspection"}
