"""The README's examples work as they are printed."""

import json
import re
from pathlib import Path
from typing import Any, Self

import aiokafka
import pytest
from jsonschema import Draft202012Validator

from keyturn_events import Envelope, golden_message, published_schema
from keyturn_events.intake import PartnerEventRejected
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded
from keyturn_events.publish import PACKAGE

README = (PACKAGE / "README.md").read_text("utf-8")


def block(language: str, containing: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    [found] = [text for text in blocks if containing in text]
    return found


class FakeProducer:
    sent: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]]

    def __init__(self, **options: Any) -> None:
        assert options["acks"] == "all"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        return None

    async def send_and_wait(
        self, topic: str, value: bytes, key: bytes, *, headers: list[tuple[str, bytes]]
    ) -> None:
        self.sent.append((topic, value, key, headers))


def test_the_python_of_the_readme_publishes_a_sale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sale.json").write_text(block("json", '"buyer"'), "utf-8")
    monkeypatch.chdir(tmp_path)
    FakeProducer.sent = []
    monkeypatch.setattr(aiokafka, "AIOKafkaProducer", FakeProducer)

    exec(compile(block("python", "AIOKafkaProducer"), "README.md", "exec"), {})

    [(topic, value, key, headers)] = FakeProducer.sent
    attributes = {name.removeprefix("ce_"): text.decode() for name, text in headers}
    assert topic == "partners.inbound"
    assert key == b"SL-2026-006612"
    assert Envelope.model_validate(attributes).source == "/partners/sales-ledger"
    assert PartnerSaleRecorded.read("SL-2026-006612", value).price.currency == "CNY"


def test_the_json_of_the_readme_fits_the_published_schema() -> None:
    data = json.loads(block("json", '"lead_reference"'))

    Draft202012Validator(published_schema(PartnerLeadSubmitted)).validate(data)
    assert PartnerLeadSubmitted.model_validate(data).subject == "HP-2026-88123"


def test_the_headers_of_the_readme_are_a_complete_envelope() -> None:
    headers = dict(re.findall(r"-H ce_(\w+)=(\S+)", block("sh", "kcat")))

    assert Envelope.model_validate(headers).type == PartnerLeadSubmitted.type


def test_the_rejection_of_the_readme_is_the_golden_one_but_for_its_original() -> None:
    shown = json.loads(block("json", '"home-already-claimed"'))
    golden = json.loads(golden_message(PartnerEventRejected).value or b"")

    assert PartnerEventRejected.model_validate(shown).event_id == "sl-evt-66190"
    assert {**shown, "original": None} == {**golden, "original": None}
