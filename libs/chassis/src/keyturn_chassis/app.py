"""The HTTP side of a service: its own routes, and those that every service has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi_offline import FastAPIOffline

from keyturn_chassis import clock_api, dead_letters_api, preconditions
from keyturn_chassis.asyncapi import asyncapi_router
from keyturn_chassis.auth import (
    CHASSIS_SCOPES,
    assert_every_route_is_guarded,
    check_tokens_first,
)
from keyturn_chassis.commands import KEY_PARAMETER, CommandCaller, EditingCaller
from keyturn_chassis.export_api import export_router
from keyturn_chassis.garbage import tune_collector
from keyturn_chassis.health import health_router
from keyturn_chassis.problems import (
    MEDIA_TYPE,
    ProblemDetails,
    install_problem_handlers,
    problem_responses,
)
from keyturn_chassis.readiness import api_checks
from keyturn_chassis.request_guard import RequestGuard
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings
from keyturn_chassis.telemetry import TelemetryMiddleware

_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})


def create_app(service: Service, runtime: Runtime | None) -> FastAPI:
    """The API of `service`. Without a `runtime` it can describe itself and do nothing else.

    Raises `UnguardedRoute` when a route demands no scope.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if runtime is None:
            raise RuntimeError("an application without a runtime only describes itself")
        tune_collector()
        async with runtime:
            yield

    settings = runtime.settings if runtime else service.settings()
    # Swagger UI from the package's own files: an offline machine has no other.
    app = FastAPIOffline(
        redoc_url=None,
        title=service.title,
        description=service.description,
        version="1.0.0",
        lifespan=lifespan,
        # TelemetryMiddleware does it, without values of requests in spans and logs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )
    app.state.runtime = runtime

    app.include_router(service.router)
    app.include_router(export_router(service))
    app.include_router(dead_letters_api.router)
    app.include_router(clock_api.router)
    app.include_router(asyncapi_router(service))
    app.include_router(health_router(api_checks(runtime) if runtime else {}))

    # A request passes these from the last to the first.
    app.add_middleware(RequestGuard, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(TelemetryMiddleware)
    install_problem_handlers(app)

    scopes = {**service.scopes, **CHASSIS_SCOPES}
    assert_every_route_is_guarded(app, scopes, service.public)
    check_tokens_first(app)
    _describe_when_asked(app, settings, scopes)
    return app


def _describe_when_asked(app: FastAPI, settings: Settings, scopes: Mapping[str, str]) -> None:
    """Have the OpenAPI document made by whoever asks first: it takes longer than all else here."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = describe()
            _add_idempotency_keys(document, app)
            _complete(document, settings, scopes)
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _add_idempotency_keys(document: dict[str, Any], app: FastAPI) -> None:
    """Describe the header that every command takes."""
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        calls: list[object] = [inner.call for inner in route.dependant.dependencies]
        if any(isinstance(call, CommandCaller) for call in calls):
            for method in route.original_route.methods or ():
                operation = document["paths"][route.path][method.lower()]
                parameters = operation.setdefault("parameters", [])
                parameters.append(KEY_PARAMETER)
                if any(isinstance(call, EditingCaller) for call in calls):
                    parameters.append(preconditions.PARAMETER)


def _complete(document: dict[str, Any], settings: Settings, scopes: Mapping[str, str]) -> None:
    """Add to an OpenAPI document what FastAPI cannot know: scopes, and how requests fail."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        "oauth2": {
            "type": "oauth2",
            "description": f"Tokens of {settings.auth_issuer} for {settings.auth_audience}.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": f"{settings.auth_issuer}/oauth2/token",
                    "scopes": dict(scopes),
                }
            },
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token that you have already, such as one of the `token` command.",
        },
    }
    for path in document["paths"].values():
        for method in _METHODS & path.keys():
            _complete_operation(method, path[method])


def _complete_operation(method: str, operation: dict[str, Any]) -> None:
    statuses = {500, 503}
    for requirement in list(operation.get("security", ())):
        statuses |= {401, 403}
        operation["security"].append({"bearer": requirement["oauth2"]})
    parameters = operation.get("parameters", ())
    if parameters or "requestBody" in operation:
        statuses |= {422}
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses |= {404}
    if preconditions.PARAMETER in parameters:
        statuses |= {412}
    if method != "get":
        statuses |= {409}
    if "requestBody" in operation:
        statuses |= {400, 413, 415}
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if "security" in operation:
        _refuse_with_problems(responses)
    for status, response in problem_responses(*sorted(statuses)).items():
        responses.setdefault(str(status), response)


def _refuse_with_problems(responses: dict[str, Any]) -> None:
    """Give a route's own refusals the media type of problems, and let them be plain ones too."""
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            own = content.pop("application/json")["schema"]
            plain = {"$ref": "#/components/schemas/Problem"}
            content[MEDIA_TYPE] = {"schema": {"anyOf": [own, plain]}}
