#!/bin/sh
# Makes a clean clone on Debian ready: sh tools/setup.sh [packages | peers]; without argument, both.
#
#   packages  npm packages by package-lock.json, among them the pinned Node 24
#   peers     the Debian programs that tests compare with: redis-server, redis-cli, tclsh, …
#             and Ceph's S3 gateway (60 MB to fetch)
#
# A second run finds everything there and takes a moment. A peer that cannot be had is an error in
# CI (CI is set) and a warning elsewhere: the tests that need it then report themselves as skipped.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# Whether npm's record of what it installed is there and at least as new as the lock file.
packages_are_fresh() {
  [ -f node_modules/.package-lock.json ] &&
    [ -x node_modules/node/bin/node ] &&
    [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]
}

install_packages() {
  packages_are_fresh && return 0
  command -v npm >/dev/null 2>&1 || die 'npm is missing: install Node 20 or newer with npm'
  say 'npm ci'
  npm ci --no-audit --no-fund >&2 || die 'npm ci failed; its messages are above'

  # The `node` package brings its binary by a preinstall script, which npm may be told not to run.
  if [ ! -x node_modules/node/bin/node ]; then
    say "npm did not run the install script of the node package; running it by hand"
    (cd node_modules/node && node installArchSpecificPackage.js >&2) || true
  fi
  [ -x node_modules/node/bin/node ] ||
    die 'node_modules/node/bin/node is missing although npm ci succeeded: allow the install' \
      'script of the package "node" (npm config get ignore-scripts), then run this again'
  touch node_modules/.package-lock.json
}

# Debian packages whose program is not there.
missing_peers() {
  for pair in redis-server:redis-server redis-cli:redis-tools redis-sentinel:redis-sentinel \
    tclsh:tcl ps:procps python3:python3 curl:curl \
    ceph:ceph-common ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair#*:}"
  done
}

# Runs a command as root: directly, or by sudo where that asks nothing.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Installs Debian packages so that none of them starts a service: a redis-server on port 6379 would
# be in the way. RUNLEVEL=1 and a policy-rc.d that refuses are how Debian lets one say that.
apt_install() {
  policy=/usr/sbin/policy-rc.d
  added=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && added=yes
    as_root chmod 755 "$policy"
  fi
  status=0
  {
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update -q &&
      as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -q --no-install-recommends "$@"
  } >&2 || status=$?
  if [ "$added" = yes ]; then as_root rm -f "$policy"; fi
  return "$status"
}

install_peers() {
  missing=$(missing_peers)
  [ -z "$missing" ] && return 0
  say "missing Debian packages: $missing"
  if ! command -v apt-get >/dev/null 2>&1; then
    say 'no apt-get here'
  elif [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    say 'not root and no sudo without a password'
  else
    # Word splitting is wanted: one package per word.
    # shellcheck disable=SC2086
    apt_install $missing || say 'apt-get failed'
  fi
  missing=$(missing_peers)
  [ -z "$missing" ] && return 0
  [ -z "${CI:-}" ] || die "these are needed in CI: $missing"
  say '**********************************************************************'
  say "WARNING: without $missing"
  say 'every test that compares with them is skipped. As root:'
  say "  apt-get install $missing"
  say '**********************************************************************'
}

case ${1:-all} in
  packages) install_packages ;;
  peers) install_peers ;;
  all)
    install_packages
    install_peers
    ;;
  *) die "unknown part '$1': packages or peers" ;;
esac
