#!/bin/sh
# Fetches the two FHIR validators of the tests into `.validators`, pinned and checked: Medplum's by package-lock.json, HAPI's by jars.txt.
# Development tools only. What cannot be had is said and left out; `make test` names it, and under CI that fails.
# Safe to run again: a stamp that holds the checksum of both lists makes the second time quick.
set -eu

cd "$(dirname "$0")/.."
lists=requirements/validators
target=$(pwd -P)/.validators
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

set --
command -v javac >/dev/null 2>&1 || set -- "$@" default-jdk-headless
command -v mvn >/dev/null 2>&1 || set -- "$@" maven
command -v node >/dev/null 2>&1 || set -- "$@" nodejs
command -v npm >/dev/null 2>&1 || set -- "$@" npm
[ $# = 0 ] || requirements/install-packages.sh "$@"

# fetched NAME LIST...: whether this validator is here already, by these lists.
stamp() { cat "$@" | cksum; }
fetched() {
    name=$1
    shift
    [ -f "$target/.$name" ] && [ "$(cat "$target/.$name")" = "$(stamp "$@")" ]
}

# A project that depends on each jar of the list and on nothing that those would bring along.
project() {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>validators</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    while IFS=': ' read -r group artifact version _; do
        echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version>"
        echo '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>'
    done <"$lists/jars.txt"
    echo '</dependencies></project>'
}

hapi() {
    rm -rf "$target/jars" "$target/classes" "$target/.hapi"
    mkdir -p "$target"
    project >"$target/pom.xml"
    mvn --quiet --batch-mode -f "$target/pom.xml" "$plugin:copy-dependencies" -DoutputDirectory="$target/jars" >&2 || return 1
    sed 's/^[^:]*:\([^:]*\):\([^ ]*\) \(.*\)$/\3  \1-\2.jar/' "$lists/jars.txt" | (cd "$target/jars" && sha256sum --check --quiet --strict -) >&2 || return 1
    stamp "$lists/jars.txt" >"$target/.hapi"
}

medplum() {
    rm -rf "$target/node_modules" "$target/.medplum"
    mkdir -p "$target"
    cp "$lists/package.json" "$lists/package-lock.json" "$target/"
    npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --silent >&2 || return 1
    stamp "$lists/package-lock.json" >"$target/.medplum"
}

if ! fetched hapi "$lists/jars.txt"; then
    echo "fetching HAPI's validator for the tests"
    hapi || { rm -rf "$target/jars"; echo "HAPI's validator could not be had" >&2; }
fi
if ! fetched medplum "$lists/package-lock.json"; then
    echo "fetching Medplum's validator for the tests"
    medplum || { rm -rf "$target/node_modules"; echo "Medplum's validator could not be had" >&2; }
fi
