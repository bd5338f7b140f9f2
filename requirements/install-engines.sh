#!/bin/sh
# Installs Debian's PostgreSQL, RabbitMQ and Chromium for the tests, which start their own in private folders; and what else they call: a C compiler
# (power cuts, full disks), curl (the README's words), systemd-analyze (the unit).
# ENGINES_ROOT is set by tests/test_install_engines.py alone: where `/usr` is.
set -eu

usr=${ENGINES_ROOT:-}/usr
set --
ls -d "$usr"/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || set -- "$@" postgresql
[ -x "$usr/lib/rabbitmq/bin/rabbitmq-server" ] || set -- "$@" rabbitmq-server
[ -x "$usr/bin/chromium" ] || set -- "$@" chromium
[ -x "$usr/bin/gcc" ] || set -- "$@" gcc libc6-dev
[ -x "$usr/bin/curl" ] || set -- "$@" curl
[ -x "$usr/bin/systemd-analyze" ] || set -- "$@" systemd
[ $# = 0 ] || exec "$(dirname "$0")/install-packages.sh" "$@"
