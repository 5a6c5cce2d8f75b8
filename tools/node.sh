#!/bin/sh
# Runs the pinned Node (a development dependency) with the arguments given, so that scripts need no
# Node 24 on the PATH. `tools/setup.sh` has put it there.
set -eu
root=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd)
node=$root/node_modules/node/bin/node
if [ ! -x "$node" ]; then
  echo "$0: $node is missing; run sh tools/setup.sh" >&2
  exit 1
fi
exec "$node" "$@"
