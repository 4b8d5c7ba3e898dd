#!/usr/bin/env bash
# panel-browser.py with the Python that has playwright.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${CARGO_TARGET_DIR:-target}/peers/browser-venv/bin/python"
[ -x "$python" ] || python=python3
exec "$python" scripts/panel-browser.py "$@"
