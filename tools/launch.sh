# For the launchers in bin/, which source it with `root` set to the checkout. Sets `node` to a Node
# of version 24 or newer (the pinned one first, then the PATH), and
#   NODE_COMPILE_CACHE   compiled sources are kept in .cache/, which halves the time to start and
#                        saves 60 MB: the type stripper is not loaded (docs/decisions/0004)
# shellcheck shell=sh

is_new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge 24 ] 2>/dev/null
}

# The pinned Node is not asked for its version: that would cost 40 ms of every start.
node=$root/node_modules/node/bin/node
if [ ! -x "$node" ]; then
  on_path=$(command -v node || true)
  if [ -n "$on_path" ] && is_new_enough "$on_path"; then
    node=$on_path
  else
    echo "${0##*/}: no Node 24 here; installing the npm packages of this checkout" >&2
    sh "$root/tools/setup.sh" packages >&2
  fi
fi

if [ -z "${NODE_COMPILE_CACHE:-}" ]; then
  cache=$root/.cache/compile
  if ! { mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; }; then
    cache=${TMPDIR:-/tmp}/tidemark-compile-$(id -u)
    mkdir -p -m 700 "$cache" 2>/dev/null || true
    # A directory of someone else's could hold code of someone else's.
    [ -d "$cache" ] && [ ! -L "$cache" ] && [ -O "$cache" ] || cache=
  fi
  [ -z "$cache" ] || export NODE_COMPILE_CACHE="$cache"
fi
