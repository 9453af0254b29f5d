#!/bin/sh
# Everything that must hold before a change is taken: what a CI service has to call. Needs Python 3.11 or newer with its
# module venv, the SDK at the path that requirements.txt names, and `liaison`.
set -eu
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet -r requirements.txt
.venv/bin/mypy
.venv/bin/pytest --quiet
liaison plugin build
liaison plugin inspect {{file}}.wasm
liaison plugin test {{file}}.wasm cases
liaison plugin certify {{file}}.wasm --cases cases --certificate {{file}}.certificate.json
