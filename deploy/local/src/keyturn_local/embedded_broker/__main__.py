"""`python -m keyturn_local.embedded_broker --directory DIR --port PORT`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from keyturn_local.embedded_broker.server import BrokerServer
from keyturn_local.ports import LOOPBACK


async def _serve(directory: Path, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await BrokerServer(directory, LOOPBACK, port).serve(stop)


def main() -> None:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(description="A small durable Kafka broker on loopback.")
    parser.add_argument("--directory", type=Path, required=True, help="where the data lies")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_serve(arguments.directory, arguments.port))


if __name__ == "__main__":
    main()
