"""BROKER=apache says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_local.broker_apache import ApacheKafka
from keyturn_local.errors import StackError


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, empty at first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return directory


@pytest.fixture
def kafka(tmp_path: Path) -> ApacheKafka:
    return ApacheKafka(tmp_path / "kafka", 9092, 9093)


def test_without_java_it_says_so(programs: Path, kafka: ApacheKafka) -> None:
    with pytest.raises(StackError, match="needs Java 17 or newer, and there is no `java` on PATH"):
        kafka.prepare()


def test_with_an_empty_java_home_it_says_so(
    programs: Path, kafka: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    with pytest.raises(StackError, match="there is no `java` in JAVA_HOME"):
        kafka.prepare()


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2", "16"])
def test_with_an_old_java_it_says_which(programs: Path, kafka: ApacheKafka, version: str) -> None:
    script(programs / "java", f"echo 'openjdk version \"{version}\"' >&2")
    with pytest.raises(StackError, match=f'needs Java 17 .* is openjdk version "{version}"'):
        kafka.prepare()


def test_without_maven_it_says_so(programs: Path, kafka: ApacheKafka) -> None:
    script(programs / "java", "echo 'openjdk version \"21\"' >&2")
    with pytest.raises(StackError, match="there is no `mvn` on PATH"):
        kafka.prepare()


def test_when_maven_fails_its_own_words_are_shown(programs: Path, kafka: ApacheKafka) -> None:
    script(programs / "java", "echo 'openjdk version \"17.0.9\"' >&2")
    script(programs / "mvn", "echo 'cannot reach the repository'; exit 1")
    with pytest.raises(StackError, match=r"(?s)mvn.*failed:.*cannot reach the repository"):
        kafka.prepare()
