#!/bin/sh
# Installs Debian packages for the tests where that may be done (root, or sudo that does not ask), without starting any as a service.
#   requirements/install-packages.sh NAME...
# It never fails: what cannot be installed is said and left out, `make test` names it, and under CI that fails.
# ENGINES_ROOT is set by tests/test_install_engines.py alone: where `/usr` is.
set -eu

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "not installed, and this user may not install: $* (as root: apt-get install -y --no-install-recommends $*)" >&2
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, and there is no apt-get here: $*" >&2
    exit 0
fi

# A policy of 101 keeps packages from starting services; one that is there already stays.
policy=${ENGINES_ROOT:-}/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    made=yes
fi
ended() { [ -z "$made" ] || $root rm -f "$policy"; }
trap ended EXIT

echo "installing for the tests: $*"
$root apt-get update -qq >/dev/null || :
if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; then
    echo "could not be installed: $*" >&2
fi
