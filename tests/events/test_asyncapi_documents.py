"""The committed AsyncAPI documents are valid by the schema that AsyncAPI itself publishes.

The schema comes from AsyncAPI's npm package; where npm or its registry is not to be had, what the
chassis says of its own documents (tests/chassis/test_asyncapi.py) has to do.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from jsonschema import Draft7Validator

Json: TypeAlias = dict[str, Any]

PACKAGE = "@asyncapi/specs@6.11.1"
SCHEMA = "package/schemas/3.0.0-without-$id.json"
SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"
SERVICES = ("intake", "segmentation", "service-desk", "campaigns")


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Draft7Validator:
    """AsyncAPI 3.0.0 as JSON Schema."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm, from whose registry the schema comes, is not on PATH")
    directory = tmp_path_factory.mktemp("asyncapi")
    command = [npm, "pack", PACKAGE, "--silent", "--prefer-offline"]
    done = subprocess.run(
        command, check=False, cwd=directory, capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr.strip()[:200]}")
    with tarfile.open(directory / done.stdout.strip()) as archive:
        member = archive.extractfile(SCHEMA)
        assert member is not None
        content = member.read()
    assert hashlib.sha256(content).hexdigest() == SHA256
    return Draft7Validator(json.loads(content))


def document_of(service: str) -> Json:
    path = Path(__file__).parents[2] / "services" / service / "asyncapi.yaml"
    document: Json = yaml.safe_load(path.read_text("utf-8"))
    return document


@pytest.mark.parametrize("service", SERVICES)
def test_the_committed_document_of_a_service_is_valid_asyncapi_3(
    service: str, schema: Draft7Validator
) -> None:
    document = document_of(service)

    assert document["asyncapi"] == "3.0.0"
    assert [f"{fault.json_path}: {fault.message}" for fault in schema.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("info", {"titel": "Intake"}),
        ("operations/send.keyturn.lead.captured.v1", {"action": "publish"}),
        ("channels/intake.leads", {"messages": ["keyturn.lead.captured.v1"]}),
    ],
)
def test_a_document_that_is_wrong_anywhere_is_not_valid(
    place: str, change: Json, schema: Draft7Validator
) -> None:
    document = copy.deepcopy(document_of("intake"))
    node = document
    for step in place.split("/"):
        node = node[step]
    node |= change

    assert not schema.is_valid(document)
