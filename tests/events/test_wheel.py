"""What a partner installs: one wheel that needs pydantic and nothing else of ours."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keyturn_events import CATALOGUE
from keyturn_events.publish import PACKAGE

UV = (sys.executable, "-m", "uv")

PARTNER_PROGRAM = """
import json, sys
from importlib.metadata import distribution
import keyturn_events
from keyturn_events import CATALOGUE, golden_message, published_schema
from keyturn_events.partners import PartnerSaleRecorded
assert sys.prefix in keyturn_events.__file__, keyturn_events.__file__
print(json.dumps({
    "types": len(CATALOGUE),
    "value": golden_message(PartnerSaleRecorded).value.decode(),
    "schema": published_schema(PartnerSaleRecorded)["title"],
    "needs": distribution("keyturn-events").requires,
    "modules": sorted(
        {name.partition(".")[0] for name, module in sys.modules.items()
         if "site-packages" in (getattr(module, "__file__", "") or "")}
    ),
}))
"""


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the build backend that is installed here, without the network."""
    directory = tmp_path_factory.mktemp("wheel")
    build = f"import hatchling.build as b; print(b.build_wheel({str(directory)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", build],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return directory / done.stdout.split()[-1]


def test_the_wheel_carries_every_schema_and_example(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    for directory in ("schemas", "examples"):
        assert {f"keyturn_events/{directory}/{name}.json" for name in CATALOGUE} <= names
    assert "keyturn_events/py.typed" in names


def test_the_wheel_alone_works_with_pydantic_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "partner"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    site = next(environment.glob("lib/python*/site-packages"))
    run(*UV, "pip", "install", "--offline", "--no-deps", "--python", environment, wheel)
    for package in pydantic_and_what_it_needs():
        (site / package.name).symlink_to(package)

    answer = json.loads(run(environment / "bin" / "python", "-c", PARTNER_PROGRAM))

    assert answer["types"] == len(CATALOGUE)
    assert json.loads(answer["value"])["sale_reference"] == "SL-2026-006612"
    assert answer["schema"] == "PartnerSaleRecorded"
    assert answer["needs"] == ["pydantic>=2.9"]
    assert set(answer["modules"]) <= {
        "annotated_types",
        "keyturn_events",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
        "typing_inspection",
    }


def pydantic_and_what_it_needs() -> list[Path]:
    """Where pydantic's own modules lie in the environment that runs the tests."""
    import annotated_types
    import pydantic
    import pydantic_core
    import typing_extensions
    import typing_inspection

    packages = [annotated_types, pydantic, pydantic_core, typing_inspection]
    found = [Path(str(package.__file__)).parent for package in packages]
    return [*found, Path(str(typing_extensions.__file__))]
