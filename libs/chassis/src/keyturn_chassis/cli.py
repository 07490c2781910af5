"""The command line that every service has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
import uvicorn
import uvloop

from keyturn_chassis import migrations, telemetry
from keyturn_chassis.app import create_app
from keyturn_chassis.asyncapi import asyncapi_yaml
from keyturn_chassis.auth import LocalIssuer
from keyturn_chassis.database import Database
from keyturn_chassis.dead_letters_cli import dead_letters_cli
from keyturn_chassis.rebuild import rebuild
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings
from keyturn_chassis.worker import run_worker
from keyturn_events import Refusal

T = TypeVar("T")

GRACE_SECONDS = 20
"""How long a stopping API lets requests finish."""


def run(service: Service) -> None:
    """The `__main__` of a service."""
    command_line(service)()


def command_line(service: Service) -> typer.Typer:
    """The commands of `service`: the chassis' own and those that the service adds."""
    cli = typer.Typer(
        help=f"{service.title}. {service.description}",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
    )
    _processes(cli, service)
    _documents(cli, service)
    _token(cli, service)
    cli.add_typer(dead_letters_cli(partial(_with_runtime, service)), name="dead-letters")
    if service.derived:
        _rebuild(cli, service)
    for extra in service.commands:
        cli.add_typer(extra)
    return cli


def _processes(cli: typer.Typer, service: Service) -> None:
    @cli.command()
    def api() -> None:
        """Serve the HTTP API."""
        settings = _start(service)
        uvicorn.run(
            create_app(service, Runtime(service, settings)),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )

    @cli.command()
    def worker() -> None:
        """Run the worker: consumer, relay and timers."""
        settings = _start(service)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_worker(Runtime(service, settings)))

    @cli.command()
    def migrate() -> None:
        """Bring the database to the schema that this code expects."""

        async def work() -> list[str]:
            url = str(service.settings().database_url)
            database = Database(url, pool_size=1, command_timeout=None)
            try:
                return await migrations.migrate(service, database)
            finally:
                await database.close()

        applied = asyncio.run(work())
        typer.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")


def _rebuild(cli: typer.Typer, service: Service) -> None:
    @cli.command(name="rebuild")
    def rebuild_store() -> None:
        """Fill an empty, migrated database from the first event on; nothing is published."""
        told = -1

        def progress(read: int, of: int) -> None:
            nonlocal told
            percent = 100 * read // of
            if percent > told:
                told = percent
                typer.echo(f"{percent:3} %  {read:,} of {of:,} records")

        done = _with_runtime(service, lambda runtime: rebuild(runtime, progress))
        typer.echo(
            f"rebuilt from {done.records:,} records; {done.timers:,} timers fired;"
            f" {done.parked:,} records parked or waiting; nothing was published"
        )


def _documents(cli: typer.Typer, service: Service) -> None:
    @cli.command()
    def openapi() -> None:
        """Print the OpenAPI document."""
        document = create_app(service, None).openapi()
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))

    @cli.command()
    def asyncapi(
        check: Annotated[
            Path | None, typer.Option(help="Compare with this file; exit 1 when it is stale.")
        ] = None,
    ) -> None:
        """Print the AsyncAPI document."""
        document = asyncapi_yaml(service)
        if check is None:
            typer.echo(document, nl=False)
        elif not check.exists() or check.read_text(encoding="utf-8") != document:
            module = service.name.replace("-", "_")
            typer.echo(f"{check} is stale; run: python -m {module} asyncapi > {check}", err=True)
            raise typer.Exit(1)


def _token(cli: typer.Typer, service: Service) -> None:
    @cli.command()
    def token(
        scope: Annotated[list[str], typer.Option(help="A scope to grant; repeat for more.")],
        subject: Annotated[str, typer.Option(help="Whom the token speaks for.")] = "developer",
        minutes: Annotated[int, typer.Option(min=1, max=1440, help="Its lifetime.")] = 60,
    ) -> None:
        """Mint an access token with the local issuer's key (development only)."""
        settings = service.settings()
        if settings.auth_private_key is None:
            typer.echo("Set KEYTURN_AUTH_PRIVATE_KEY to the local issuer's private key.", err=True)
            raise typer.Exit(1)
        issuer = LocalIssuer(
            Path(settings.auth_private_key), settings.auth_issuer, settings.auth_audience
        )
        typer.echo(issuer.mint(subject, scope, timedelta(minutes=minutes)))


def _start(service: Service) -> Settings:
    settings = service.settings()
    telemetry.configure(service.name, settings)
    return settings


def _with_runtime(service: Service, work: Callable[[Runtime], Awaitable[T]]) -> T:
    async def main() -> T:
        runtime = Runtime(service)
        try:
            return await work(runtime)
        finally:
            await runtime.database.close()

    try:
        return asyncio.run(main())
    except Refusal as refusal:
        typer.echo(f"{refusal.code}: {refusal.detail}", err=True)
        raise typer.Exit(1) from refusal
