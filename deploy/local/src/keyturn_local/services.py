"""The four services and where each prefers to listen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One service as the stack sees it: a Python module with an API and a worker process."""

    name: str
    """As people and topics write it, e.g. `service-desk`."""
    api_port: int
    """Preferred port of the API; the next free one is taken when somebody else has it."""
    worker_port: int
    """Preferred port of the worker's health and metrics."""

    @property
    def module(self) -> str:
        """The Python package, run as `python -m <module>`."""
        return self.name.replace("-", "_")

    @property
    def database(self) -> str:
        """Name of the service's own database, and of the one role that may open it."""
        return f"keyturn_{self.module}"


SERVICES = (
    Service("intake", 8001, 9001),
    Service("segmentation", 8002, 9002),
    Service("service-desk", 8003, 9003),
    Service("campaigns", 8004, 9004),
)


def service_named(name: str) -> Service:
    """The service called `name`, with either spelling of its hyphen.

    Raises:
        KeyError: there is none of that name.
    """
    for service in SERVICES:
        if name in (service.name, service.module):
            return service
    known = ", ".join(service.name for service in SERVICES)
    raise KeyError(f"no service is called {name!r}; there are {known}")
