#!/bin/sh
# Installs Debian's PostgreSQL, RabbitMQ and Chromium where that may be done (root, or sudo that does not ask), without starting either as a service.
# The tests start their own, in private folders. What cannot be installed is left out, and `make test` says so; under CI that fails.
# ENGINES_ROOT is set by tests/test_install_engines.py alone: where `/usr` is.
set -eu

usr=${ENGINES_ROOT:-}/usr
missing=
ls -d "$usr"/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -x "$usr/lib/rabbitmq/bin/rabbitmq-server" ] || missing="$missing rabbitmq-server"
[ -x "$usr/bin/chromium" ] || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "not installed, and this user may not install:$missing (as root: apt-get install -y --no-install-recommends$missing)" >&2
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, and there is no apt-get here:$missing" >&2
    exit 0
fi

# A policy of 101 keeps packages from starting services; one that is there already stays.
policy=$usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    made=yes
fi
ended() { [ -z "$made" ] || $root rm -f "$policy"; }
trap ended EXIT

echo "installing for the tests:$missing"
$root apt-get update -qq >/dev/null || :
# shellcheck disable=SC2086  # a list of names, and a prefix of words
if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
    echo "could not be installed:$missing" >&2
fi
