"""No request that can be made up from the OpenAPI document breaks the desk's doors."""

from __future__ import annotations

from typing import Any

from keyturn_events.intake import PurchaseSigned
from service_desk.api.complaint_bodies import NewComplaint
from service_desk.api.crises import NewCrisis
from service_desk.api.defects import DefectReport
from service_desk.api.surveys import NewAnswer


def example(model: Any) -> Any:
    return model.model_config["json_schema_extra"]["examples"][-1]


async def test_no_request_breaks_the_desk_or_its_document(
    desk: Any, golden: Any, fuzzed: Any
) -> None:
    await desk.harness.receive(golden(PurchaseSigned))
    (handover,) = (await desk.get("/handovers"))["items"]
    home = handover["home_id"]
    known = {
        "handover_id": handover["handover_id"],
        "home_id": home,
        "customer_id": handover["customer_id"],
        "community_id": handover["community_id"],
        "defect_id": (await desk.post(f"/homes/{home}/defects", example(DefectReport)))[
            "defect_id"
        ],
        "complaint_id": (await desk.post("/complaints", example(NewComplaint)))["complaint_id"],
        "response_id": (await desk.post("/surveys/answers", example(NewAnswer)))["response_id"],
        "crisis_id": (await desk.post("/crises", example(NewCrisis)))["crisis_id"],
        "code": "standard",
    }
    assert await fuzzed(desk.harness, known) == []
