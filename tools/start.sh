#!/bin/sh
# `npm start [-- redis.conf] [-- --directive value …]`: the server with its data in ./data, unless a
# config file is given, which then says where the data lies.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  '' | -?*)
    mkdir -p data
    exec sh bin/tidemark-server --dir ./data "$@"
    ;;
esac
exec sh bin/tidemark-server "$@"
