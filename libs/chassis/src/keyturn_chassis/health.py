"""Whether a process lives, and whether it can do its work now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel

from keyturn_chassis.problems import MEDIA_TYPE, PROBLEM_BASE
from keyturn_chassis.telemetry import get_logger, metrics_response

CHECK_SECONDS: Final = 2.0
"""How long a readiness check may take before it counts as failed."""

Checks: TypeAlias = Mapping[str, Callable[[], Awaitable[None]]]
"""Readiness checks by name: each returns when all is well, and raises when not."""

_log = get_logger(__name__)


class CheckFailed(Exception):
    """A readiness check's no; its message is shown to whoever asks, so it names no secret."""


class Liveness(BaseModel):
    """The process is up and its event loop turns."""

    status: Literal["live"] = "live"


class Readiness(BaseModel):
    """Every check passed."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str]


class Unreadiness(BaseModel):
    """Some check failed: a problem document (RFC 9457) with the result of each check."""

    type: str = PROBLEM_BASE + "unready"
    title: str = "The service is not ready"
    status: Literal[503] = 503
    detail: str
    checks: dict[str, str]


async def run_checks(checks: Checks) -> Readiness | Unreadiness:
    """Run all `checks` at once, each for `CHECK_SECONDS` at most; `ok` or why not, by name."""
    found = await asyncio.gather(*(_result(name, check) for name, check in checks.items()))
    results = dict(zip(checks, found, strict=True))
    failed = [name for name, result in results.items() if result != "ok"]
    if failed:
        return Unreadiness(detail=f"Not ready: {', '.join(failed)}.", checks=results)
    return Readiness(checks=results)


async def _result(name: str, check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except CheckFailed as failure:
        return str(failure)
    except Exception as error:  # noqa: BLE001  # whatever it is, the answer is: not ready
        _log.warning("check_failed", check=name, error=type(error).__name__)
        return f"failed: {type(error).__name__}"
    return "ok"


def health_router(checks: Checks) -> APIRouter:
    """`/health/live`, `/health/ready` and `/metrics`, which need no token."""
    router = APIRouter(tags=["operations"])

    @router.get("/health/live", summary="Is the process alive?")
    async def live() -> Liveness:
        return Liveness()

    @router.get(
        "/health/ready",
        summary="Can it do its work now?",
        response_model=Readiness,
        responses={
            503: {
                "description": "Not now; `checks` says why.",
                "content": {MEDIA_TYPE: {"schema": Unreadiness.model_json_schema()}},
            }
        },
    )
    async def ready() -> Response:
        found = await run_checks(checks)
        if isinstance(found, Unreadiness):
            return Response(found.model_dump_json(), 503, media_type=MEDIA_TYPE)
        return Response(found.model_dump_json(), media_type="application/json")

    @router.get("/metrics", summary="Metrics, as Prometheus reads them", response_class=Response)
    async def metrics() -> Response:
        return metrics_response()

    return router


def worker_app(checks: Checks) -> FastAPI:
    """The small HTTP server of a worker: health and metrics, and nothing else."""
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    app.include_router(health_router(checks))
    return app
