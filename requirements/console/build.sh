#!/bin/sh
# Makes gateway/console/static/console.css from the NHS design system (nhsuk-frontend, MIT) and console.scss. Needs npm; for developers
# alone: what it makes is committed, and a test compares its checksum with the one in console.css.sha256.
set -eu
cd "$(dirname "$0")"
out=../../gateway/console/static/console.css
npm ci --ignore-scripts --silent
version=$(node -p 'require("nhsuk-frontend/package.json").version')
{
    echo "/*! nhsuk-frontend $version, Crown Copyright (NHS England), MIT licence: https://github.com/nhsuk/nhsuk-frontend. No font, no picture. */"
    npx sass --load-path=node_modules --style=compressed --no-source-map --quiet-deps --no-charset console.scss
} >"$out"
rm -rf node_modules
sha256sum "$out" | cut -d' ' -f1 >console.css.sha256
