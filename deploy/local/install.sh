#!/usr/bin/env bash
# Usage: install.sh VENV PACKAGE…
# Makes VENV from requirements.lock and installs each PACKAGE directory in it, editable.
# Needs nothing but Python 3.11 with pip: uv comes out of the lock itself, for its speed.
set -euo pipefail

venv=$1
shift
python=${PYTHON:-python3}

if [[ ! -x $venv/bin/python ]]; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Keyturn needs Python 3.11 or newer, and '$python' is not: give one with PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    "$python" -m venv "$venv"
fi

if [[ ! -x $venv/bin/uv ]]; then
    awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > "$venv/uv.lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps --require-hashes -r "$venv/uv.lock"
fi

editable=()
for package in "$@"; do
    editable+=(-e "./$package")
done

install() {
    "$@" --quiet --require-hashes -r requirements.lock
}
export VIRTUAL_ENV=$PWD/$venv UV_LINK_MODE=${UV_LINK_MODE:-hardlink}
if ! install "$venv/bin/uv" pip install; then
    echo "uv could not install the lock; trying pip, which reads pip.conf (slower)" >&2
    install "$venv/bin/python" -m pip install --disable-pip-version-check
fi
"$venv/bin/uv" pip install --quiet --offline --no-deps --no-build-isolation "${editable[@]}"
