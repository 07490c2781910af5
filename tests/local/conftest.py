"""Stacks for the tests of the local stack itself: small, isolated, removed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn_local.stack import Stack

# A service as the stack sees one: migrates, then answers its health check on the port it is told.
FAKE_SERVICE = """
import asyncio, http.server, os, sys
import asyncpg

role, own_name = sys.argv[1], os.path.basename(os.path.dirname(__file__))
if os.environ.get("BROKEN") == f"{own_name} {role}":
    sys.exit("the fake service is told to fail")
if role == "migrate":
    async def migrate():
        connection = await asyncpg.connect(os.environ["KEYTURN_DATABASE_URL"])
        await connection.execute("CREATE TABLE IF NOT EXISTS migrated (at timestamptz)")
        await connection.close()
    asyncio.run(migrate())
else:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
    port = os.environ["KEYTURN_PORT" if role == "api" else "KEYTURN_WORKER_PORT"]
    http.server.HTTPServer(("127.0.0.1", int(port)), Health).serve_forever()
"""


@pytest.fixture(scope="session")
def fake_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with four fake services that comes before the real ones on the path."""
    directory = tmp_path_factory.mktemp("fake-services")
    for name in ("intake", "segmentation", "service_desk", "campaigns"):
        package = directory / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(FAKE_SERVICE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(directory))
        yield directory


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, fake_services: Path) -> Iterator[Stack]:
    """A whole stack with fake services; tests may stop and start what they like."""
    stack = Stack(tmp_path_factory.mktemp("stack"), broker="embedded", durable=False)
    try:
        stack.up()
        yield stack
    finally:
        stack.clean()
