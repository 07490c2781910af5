from __future__ import annotations

from typing import Any

import pytest

from service_desk.api.complaint_bodies import (
    NewComplaint,
    ResolutionRequest,
    Update,
    VerdictRequest,
)
from service_desk.api.fields import Body


def examples(model: type[Body]) -> list[Any]:
    extra: Any = model.model_config.get("json_schema_extra", {})
    return list(extra.get("examples", ()))


def documented() -> list[type[Body]]:
    return sorted(
        (model for model in Body.__subclasses__() if examples(model)),
        key=lambda model: model.__name__,
    )


@pytest.mark.parametrize("model", documented(), ids=lambda model: model.__name__)
def test_every_example_of_a_request_body_is_a_valid_one(model: type[Body]) -> None:
    for example in examples(model):
        model.model_validate_json(model.model_validate(example).model_dump_json())


async def test_the_documented_way_from_raising_to_closing_a_complaint_works(desk: Any) -> None:
    raised = await desk.post("/complaints", examples(NewComplaint)[0])
    path = f"/complaints/{raised['complaint_id']}"
    await desk.post(f"{path}/updates", examples(Update)[0])
    await desk.post(f"{path}/resolutions", examples(ResolutionRequest)[0])
    closed = await desk.post(f"{path}/verdicts", examples(VerdictRequest)[0])
    assert closed["state"] == "closed"
