#!/bin/bash
# rgw-up.sh: a one-node Ceph cluster with its S3 gateway (RGW) on loopback, for conformance tests.
# One monitor, one OSD in memory, one gateway; no systemd, no cephx, no manager daemon.
#
# usage: rgw-up.sh DIR [MON_PORT] [RGW_PORT]   start (ports default to 30300 and 30310)
#        rgw-up.sh --stop DIR                  stop the three daemons started in DIR
#
# DIR is created; when it exists it must be one that an earlier run made (it is emptied).
# Environment: S3_ACCESS_KEY, S3_SECRET_KEY   default TESTKEY, TESTSECRET
#              RADOS_CLASS_DIR                object classes, found by itself on Debian and Fedora
#              STORE_BYTES                    capacity of the OSD in memory, default 4 GiB
# Needs: ceph-mon, ceph-osd, ceph-common, radosgw (Debian packages), curl.
# About 12 s to the first S3 request; 140 MB RSS for all three while empty (Ceph 16.2.15, 2 cores).
#
# Settings below that are not obvious:
#   ms mon client mode = crc    RGW otherwise insists on "secure" and hangs with error -13
#   auth * = none               no keyrings; loopback only
#   ms bind port min/max        a fixed range, so that two clusters can run side by side
#   mon data avail crit = 1     the monitor otherwise stops on a nearly full disk
# Without a manager `ceph -s` shows 0 pools; harmless.
set -euo pipefail

new_uuid() { cat /proc/sys/kernel/random/uuid; }
usage() { sed -n '2,/^# Needs/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Ends one daemon, only when its command line still names our directory.
stop_daemon() {
  local pid
  [ -f "$1" ] || return 0
  pid=$(cat "$1")
  if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$2/ceph.conf"; then
    kill "$pid" && tail --pid="$pid" -f /dev/null
  fi
  rm -f "$1"
}

stop_all() {
  for daemon in rgw osd mon; do stop_daemon "$1/$daemon.pid" "$1"; done
}

[ $# -ge 1 ] || usage
case $1 in
  --stop) [ $# -eq 2 ] || usage; stop_all "$(realpath "$2")"; exit ;;
  -*) usage ;;
esac

D=$(realpath -m "$1")
MON=${2:-30300}
RGW=${3:-30310}
S3_ACCESS_KEY=${S3_ACCESS_KEY:-TESTKEY}
S3_SECRET_KEY=${S3_SECRET_KEY:-TESTSECRET}
STORE_BYTES=${STORE_BYTES:-4294967296}

if [ -z "${RADOS_CLASS_DIR:-}" ]; then
  for candidate in "/usr/lib/$(uname -m)-linux-gnu" /usr/lib64 /usr/lib; do
    if [ -d "$candidate/rados-classes" ]; then RADOS_CLASS_DIR=$candidate/rados-classes; break; fi
  done
fi
if [ -z "${RADOS_CLASS_DIR:-}" ]; then echo 'set RADOS_CLASS_DIR' >&2; exit 1; fi

if [ -e "$D" ] && [ -n "$(ls -A "$D")" ]; then
  [ -f "$D/ceph.conf" ] || { echo "$D is not empty and was not made by this script" >&2; exit 1; }
  stop_all "$D"
  rm -rf "$D"
fi
mkdir -p "$D"/{mon,osd,mgr,rgw,run,log}
FSID=$(new_uuid)

cat >"$D/ceph.conf" <<CONF
[global]
fsid = $FSID
mon host = [v2:127.0.0.1:$MON,v1:127.0.0.1:$((MON + 1))]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
auth supported = none
ms mon client mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
ms bind ipv6 = false
ms bind port min = $((MON + 20))
ms bind port max = $((MON + 80))
run dir = $D/run
admin socket = $D/run/\$name.\$pid.asok
log file = $D/log/\$name.log
pid file = $D/run/\$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
mon data avail crit = 1
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = $STORE_BYTES
osd data = $D/osd
mon data = $D/mon
mgr data = $D/mgr
rgw data = $D/rgw
osd class dir = $RADOS_CLASS_DIR
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$RGW
rgw enable usage log = false
CONF

CEPH=(-c "$D/ceph.conf")
monmaptool --create --clobber --fsid "$FSID" \
  --addv a "[v2:127.0.0.1:$MON,v1:127.0.0.1:$((MON + 1))]" "$D/monmap" >/dev/null
ceph-mon "${CEPH[@]}" -i a --mkfs --monmap "$D/monmap"
ceph-mon "${CEPH[@]}" -i a -f >"$D/log/mon.out" 2>&1 &
echo $! >"$D/mon.pid"

OSD=$(new_uuid)
timeout 60 ceph "${CEPH[@]}" osd new "$OSD" >/dev/null
ceph-osd "${CEPH[@]}" -i 0 --mkfs --osd-uuid "$OSD" >"$D/log/mkfs.out" 2>&1
ceph-osd "${CEPH[@]}" -i 0 -f >"$D/log/osd.out" 2>&1 &
echo $! >"$D/osd.pid"
timeout 60 ceph "${CEPH[@]}" osd crush add osd.0 1.0 host=h root=default >/dev/null 2>&1 || true

radosgw "${CEPH[@]}" -n client.rgw.a -f >"$D/log/rgw.out" 2>&1 &
echo $! >"$D/rgw.pid"
up=no
for _ in $(seq 120); do
  if curl -s -o /dev/null "127.0.0.1:$RGW"; then up=yes; break; fi
  sleep .5
done
[ $up = yes ] || { echo "no answer on port $RGW after 60 s: see $D/log" >&2; exit 1; }

timeout 60 radosgw-admin "${CEPH[@]}" user create --uid=test --display-name=test \
  --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY" >/dev/null
echo "up: http://127.0.0.1:$RGW  access key $S3_ACCESS_KEY  secret key $S3_SECRET_KEY"
echo "stop: $0 --stop $1"
