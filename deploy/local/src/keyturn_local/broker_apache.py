"""Apache Kafka itself: one KRaft node, its jars resolved by Maven."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from keyturn_local.errors import StackError
from keyturn_local.ports import LOOPBACK
from keyturn_local.processes import ProcessSpec
from keyturn_local.state import REPOSITORY

LEAST_JAVA = 17
HEAP = "512m"
NODE_ID = 1

_POM = REPOSITORY / "deploy" / "local" / "pom.xml"
_LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")


@dataclass(frozen=True, slots=True)
class ApacheKafka:
    """Broker and controller in one Java process, on loopback only."""

    directory: Path
    port: int
    controller_port: int

    def prepare(self) -> None:
        """Resolve the jars, write the settings, and format the storage the first time.

        Raises:
            StackError: Java or Maven is missing or too old, or one of them fails.
        """
        java = _java()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._resolve_jars()
        self._write_settings()
        if (self._data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        arguments = ["format", "--cluster-id", cluster, "--config", str(self._settings)]
        _run([java, "-cp", self._classpath(), "kafka.tools.StorageTool", *arguments])

    def process(self, log: Path) -> ProcessSpec:
        """The broker; `prepare` comes first."""
        options = [f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseG1GC", "-Djava.awt.headless=true"]
        options += [f"-Dlog4j2.configurationFile={_LOG_SETTINGS}"]
        return ProcessSpec(
            name="broker",
            command=[_java(), *options, "kafka.Kafka", str(self._settings)],
            env={"CLASSPATH": self._classpath()},
            log=log,
        )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _settings(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _classpath_file(self) -> Path:
        # Named by the pom's content, so that another Kafka version is resolved anew.
        digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
        return self.directory / f"classpath-{digest}"

    def _classpath(self) -> str:
        return self._classpath_file.read_text(encoding="utf-8").strip()

    def _resolve_jars(self) -> None:
        target = self._classpath_file
        if target.exists() and all(Path(jar).exists() for jar in self._classpath().split(":")):
            return
        maven = shutil.which("mvn")
        if maven is None:
            raise StackError(
                "BROKER=apache resolves Apache Kafka with Maven, and there is no `mvn` on PATH: "
                "install Maven, or use BROKER=embedded"
            )
        goal = ["dependency:build-classpath", "-DincludeScope=runtime"]
        _run([maven, "-B", "-q", "-f", str(_POM), *goal, f"-Dmdep.outputFile={target}"])

    def _write_settings(self) -> None:
        client = f"{LOOPBACK}:{self.port}"
        controller = f"{LOOPBACK}:{self.controller_port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(NODE_ID),
            "controller.quorum.voters": f"{NODE_ID}@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            # A killed broker may come back only when its old session has run out.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # One worker per service: nobody to wait for before the first assignment.
            "group.initial.rebalance.delay.ms": "0",
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        self._settings.write_text("".join(lines), encoding="utf-8")


def _java() -> str:
    """The java of JAVA_HOME, else of PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise StackError(
            f"BROKER=apache needs Java {LEAST_JAVA} or newer, and there is no `java` "
            f"{'in JAVA_HOME' if home else 'on PATH'}: install it, or use BROKER=embedded"
        )
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', banner)
    if match is None or int(match.group(1)) < LEAST_JAVA:
        found = banner.splitlines()[0] if banner else "a java that does not tell its version"
        raise StackError(
            f"BROKER=apache needs Java {LEAST_JAVA} or newer, and {java} is {found}: "
            "install a newer one, or use BROKER=embedded"
        )
    return java


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = f"{result.stdout}{result.stderr}".strip()
        raise StackError(f"`{command[0]} … {command[-1]}` failed:\n{said}")
