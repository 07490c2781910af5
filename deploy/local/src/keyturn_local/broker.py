"""Which broker: what every kind can do for the stack, and how a name picks one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from keyturn_local.broker_apache import ApacheKafka
from keyturn_local.broker_embedded import EmbeddedBroker
from keyturn_local.errors import StackError
from keyturn_local.ports import LOOPBACK
from keyturn_local.processes import ProcessSpec

EMBEDDED = "embedded"
APACHE = "apache"


class OwnBroker(Protocol):
    """A broker that the stack starts itself."""

    def prepare(self) -> None:
        """Do what must be done once before the first start.

        Raises:
            StackError: something this broker needs is missing; the message says what.
        """

    def process(self, log: Path) -> ProcessSpec:
        """The process to start."""


def check_kind(kind: str) -> None:
    """Refuse what names no broker.

    Raises:
        StackError: `kind` is neither a known name nor an address.
    """
    if kind in (EMBEDDED, APACHE):
        return
    for address in kind.split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise StackError(
                f"BROKER={kind!r} is neither `embedded` nor `apache` nor an address like "
                "kafka.example:9092"
            )


def own_broker(kind: str, directory: Path, port: int, controller_port: int) -> OwnBroker | None:
    """The broker to start for `kind`; None when `kind` is the address of a running one."""
    if kind == EMBEDDED:
        return EmbeddedBroker(directory, port)
    if kind == APACHE:
        return ApacheKafka(directory, port, controller_port)
    return None


def bootstrap(kind: str, port: int) -> str:
    """Where clients connect."""
    return f"{LOOPBACK}:{port}" if kind in (EMBEDDED, APACHE) else kind
