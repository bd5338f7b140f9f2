#!/bin/sh
# Makes `.venv` from one of the two locked, hashed lists and installs the project itself into it, offline.
#   requirements/install.sh runtime   what `make demo` and a gateway need
#   requirements/install.sh dev       that, and what `make test` needs
# Safe to run again: a stamp that holds the lists' and pyproject.toml's checksums makes the second time quick.
set -eu

list=$1
cd "$(dirname "$0")/.."
here=$(pwd -P)
venv=$here/.venv
stamp=$venv/.installed-$list

# Nothing from the caller's own Python may leak in; where packages come from (PIP_INDEX_URL and the like) stays the caller's.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV 2>/dev/null || :
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

want=$({ echo "$here"; cat "requirements/$list.txt" pyproject.toml; } | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
complete() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

choose() {
    incomplete=
    for candidate in python3.13 python3.12 python3.11 python3; do
        usable "$candidate" || continue
        if complete "$candidate"; then
            echo "$candidate"
            return
        fi
        incomplete=$candidate
    done
    if [ -n "$incomplete" ]; then
        echo "$incomplete cannot make a virtual environment: its venv or ensurepip module is missing." >&2
        echo "On Debian or Ubuntu:  sudo apt-get install -y python3-venv" >&2
    else
        echo "Python 3.11 or newer was not found (looked for python3.13, python3.12, python3.11, python3)." >&2
        echo "On Debian 12 or Ubuntu 24.04 and later:  sudo apt-get install -y python3 python3-venv" >&2
    fi
    exit 1
}

# An environment that was moved, half made, or made by a Python that has gone is made again from nothing.
if ! usable "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
    [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)')" != "$venv" ]; then
    python=$(choose)
    echo "making .venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
echo "installing requirements/$list.txt (locked and hashed)"
"$venv/bin/python" -m pip install --quiet --require-hashes -r "requirements/$list.txt"
"$venv/bin/python" -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
echo "$want" >"$stamp"
