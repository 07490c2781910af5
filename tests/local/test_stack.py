"""Up, down, status and what happens when processes die."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from keyturn_local import ports, processes
from keyturn_local.errors import StackError
from keyturn_local.processes import ProcessSpec
from keyturn_local.stack import Stack
from keyturn_local.state import ProcessRecord, StateDirectory

ALL = [
    "broker",
    "postgres",
    "intake-api",
    "segmentation-api",
    "service-desk-api",
    "campaigns-api",
    "intake-worker",
    "segmentation-worker",
    "service-desk-worker",
    "campaigns-worker",
]


def pids(stack: Stack) -> dict[str, int | None]:
    return {process.name: process.pid for process in stack.status()}


def test_up_starts_every_process_and_waits_until_all_are_ready(stack: Stack) -> None:
    status = stack.status()
    assert [process.name for process in status] == ALL
    assert [process.name for process in status if not process.ready] == []


def test_up_a_second_time_leaves_every_process_alone(stack: Stack) -> None:
    before = pids(stack)
    stack.up()
    assert pids(stack) == before


def test_up_restarts_only_what_crashed(stack: Stack) -> None:
    before = pids(stack)
    stack.kill("segmentation-worker")
    assert stack.ended() == ["segmentation-worker"]
    assert [process.name for process in stack.status() if not process.ready] == [
        "segmentation-worker"
    ]
    stack.up()
    after = pids(stack)
    assert {name for name in ALL if before[name] != after[name]} == {"segmentation-worker"}
    assert all(process.ready for process in stack.status())


def test_up_with_other_settings_restarts_the_services_and_not_the_servers(stack: Stack) -> None:
    before = pids(stack)
    driven = Stack(stack.state_dir, durable=False, settings={"KEYTURN_CLOCK": "driven"})
    driven.up()
    after = pids(driven)
    assert {name for name in ALL if before[name] == after[name]} == {"broker", "postgres"}
    assert driven.env("intake", "api")["KEYTURN_CLOCK"] == "driven"
    again = Stack(stack.state_dir, durable=False)
    again.up()
    assert pids(again) == after, "settings last until they are told otherwise"


def test_every_service_is_told_its_own_database_and_no_private_key(stack: Stack) -> None:
    env = stack.env("service-desk", "worker")
    assert env["KEYTURN_DATABASE_URL"] == stack.database_url("service_desk")
    assert env["KEYTURN_DATABASE_URL"].endswith("/keyturn_service_desk")
    assert env["KEYTURN_KAFKA_BOOTSTRAP"] == stack.kafka_bootstrap
    assert env["KEYTURN_AUTH_ISSUER"] == "https://issuer.keyturn.local"
    assert Path(env["KEYTURN_AUTH_JWKS"]).exists()
    assert "KEYTURN_AUTH_PRIVATE_KEY" not in env
    assert stack.env("service-desk")["KEYTURN_AUTH_PRIVATE_KEY"] == str(stack.private_key)


def test_files_with_secrets_are_readable_by_their_owner_only(stack: Stack) -> None:
    for file in (stack.state_dir / "stack.json", stack.private_key):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads((stack.state_dir / "auth" / "jwks.json").read_text())["keys"][0].keys() == {
        "kty", "crv", "x", "kid", "use", "alg"
    }  # fmt: skip


def test_a_service_that_cannot_start_is_named_with_the_end_of_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.kill("campaigns-api")
    monkeypatch.setenv("BROKEN", "campaigns api")
    with pytest.raises(StackError, match=r"(?s)campaigns-api ended.*told to fail"):
        stack.up()
    monkeypatch.delenv("BROKEN")
    stack.up()
    assert all(process.ready for process in stack.status())


def test_a_failed_migration_is_named_with_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.kill("intake-api")
    monkeypatch.setenv("BROKEN", "intake migrate")
    with pytest.raises(StackError, match=r"(?s)intake migrate failed.*told to fail"):
        stack.up()
    monkeypatch.delenv("BROKEN")
    stack.up()


def test_restart_gives_a_new_process_on_the_same_port(stack: Stack) -> None:
    url, pid = stack.urls["intake-api"], pids(stack)["intake-api"]
    assert stack.restart("intake-api") != pid
    assert stack.urls["intake-api"] == url


def test_an_unknown_process_is_refused_with_the_names_there_are(stack: Stack) -> None:
    with pytest.raises(StackError, match="no process is called 'intake'; there are: broker, pos"):
        stack.kill("intake")


def test_an_unknown_broker_is_refused_and_changes_nothing(stack: Stack) -> None:
    before = pids(stack)
    with pytest.raises(StackError, match="BROKER='kafka' is neither"):
        Stack(stack.state_dir, broker="kafka").up()
    assert pids(stack) == before


def test_down_leaves_no_process_and_up_brings_everything_back(stack: Stack) -> None:
    before = [pid for pid in pids(stack).values() if pid is not None]
    family = [child for pid in before for child in psutil.Process(pid).children(recursive=True)]
    assert stack.down() == []
    assert [pid for pid in before if psutil.pid_exists(pid)] == []
    assert [child for child in family if child.is_running()] == []
    assert stack.status() == []
    assert stack.down() == [], "down twice is harmless"
    stack.up()
    assert all(process.ready for process in stack.status())


def test_the_command_line_prints_the_state_and_fails_when_something_is_down(stack: Stack) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "keyturn_local", *arguments],
            env={**os.environ, "KEYTURN_STATE_DIR": str(stack.state_dir)},
            capture_output=True,
            text=True,
            check=False,
        )

    stack.kill("intake-worker")
    status = run("status")
    assert status.returncode == 1
    assert [line.split()[1] for line in status.stdout.splitlines() if "intake-w" in line] == [
        "down"
    ]
    unknown = run("restart", "nobody")
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (1, False)
    assert "no process is called 'nobody'" in unknown.stderr
    stack.start("intake-worker")


@pytest.mark.parametrize("stolen", ["broker", "postgres"])
def test_a_port_that_somebody_takes_at_the_last_moment_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stolen: str
) -> None:
    thieves: list[socket.socket] = []
    start = processes.start

    def steal_and_start(spec: ProcessSpec) -> ProcessRecord:
        if spec.name == stolen and not thieves:
            state = StateDirectory(tmp_path).load()
            thieves.append(socket.create_server((ports.LOOPBACK, state.ports[stolen])))
        return start(spec)

    monkeypatch.setattr(processes, "start", steal_and_start)
    stack = Stack(tmp_path, durable=False)
    try:
        stack.up(services=False)
        assert [process.ready for process in stack.status()] == [True, True]
        (lost,) = thieves
        assert lost.getsockname()[1] not in {process.port for process in stack.status()}
    finally:
        stack.clean()
        for thief in thieves:
            thief.close()


def test_a_pid_that_now_belongs_to_somebody_else_is_never_signalled(tmp_path: Path) -> None:
    stranger = processes.start(
        ProcessSpec("stranger", [sys.executable, "-c", "input()"], tmp_path / "log")
    )
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        directory = StateDirectory(tmp_path / "state")
        directory.create()
        state = directory.load()
        began = psutil.Process(bystander.pid).create_time()
        state.processes = {
            "reused": ProcessRecord("reused", bystander.pid, 1.0, ["a"], {}, ""),
            "other-command": ProcessRecord(
                "other-command", bystander.pid, began, ["a", "b"], {}, ""
            ),
            "gone": ProcessRecord("gone", 2**22 + 1, 1.0, ["a"], {}, ""),
        }
        directory.save(state)
        stack = Stack(tmp_path / "state")
        assert [process.pid for process in stack.status()] == [None, None, None]
        assert stack.down() == []
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")
        processes.stop(stranger)


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    stubborn = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, flush=True); child.wait()"
    )
    log = tmp_path / "log"
    record = processes.start(ProcessSpec("stubborn", [sys.executable, "-c", stubborn], log))
    while not log.read_text().endswith("\n"):
        assert processes.is_running(record)
    child = psutil.Process(int(log.read_text()))
    assert processes.stop(record) is False
    assert not processes.is_running(record)
    child.wait(timeout=5)
    assert processes.send(record, signal.SIGTERM) is False


def test_a_damaged_state_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"processes": 7}')
    with pytest.raises(StackError, match=r"stack\.json is damaged .*remove"):
        Stack(tmp_path)
