"""Ports step aside."""

from __future__ import annotations

import socket

from keyturn_local import ports


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    assert ports.choose(port) == port


def test_another_port_is_taken_when_somebody_listens_on_the_preferred_one() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        chosen = ports.choose(port)
        assert chosen != port
        assert ports.is_free(chosen)
        assert ports.is_listening(port)
        assert not ports.is_listening(chosen)


def test_a_port_promised_to_another_process_is_avoided_though_it_is_free() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    assert ports.choose(port, taken=[port]) != port
