#!/bin/sh
# Everything that must hold before a change is taken: what a CI service has to call. Needs Node 20 or newer with npm, the
# SDK at the path that package.json names, with `npm ci` done there, and `liaison`.
set -eu
cd "$(dirname "$0")"
if [ -f package-lock.json ]; then npm ci; else npm install; fi
npm run check
npm test
liaison plugin build
liaison plugin inspect {{file}}.wasm
liaison plugin test {{file}}.wasm cases
liaison plugin certify {{file}}.wasm --cases cases --certificate {{file}}.certificate.json
