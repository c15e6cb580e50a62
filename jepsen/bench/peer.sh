#!/bin/bash
# The load of kamailio/run.sh at Kamailio and at three of our own nodes, side by side, with the ratios printed last.
#
#   jepsen/bench/peer.sh [part...]      parts: auth3 lat call call407 (the default), see kamailio/run.sh
#
# Kamailio asks no caller who it is; so part call reaches our nodes from a
# gateway, known by its address. Part call407 has phones call, which are
# challenged: it is measured at our nodes alone and shown beside Kamailio's call.
#
# Needs Debian's kamailio, kamailio-extra-modules and sip-tester. From the
# environment: USERS (30000), DUR (seconds a step, 5), RATE (4000), REPS (3),
# MAXREPS (searches for the highest rate, 1; 0 leaves them out), BINARY (our
# program; empty: built), SECURED (1: our nodes have TLS between them; the phones
# and the peer do not), OUT (a directory to keep the figures in).
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for program in kamailio kamcmd sipp python3 bc pgrep ss; do
	command -v $program >/dev/null || {
		echo "SKIPPED: the peer bench needs $program: apt-get install kamailio kamailio-extra-modules sip-tester python3 bc procps iproute2" >&2
		exit 0
	}
done
export USERS=${USERS:-30000} DUR=${DUR:-5} RATE=${RATE:-4000} REPS=${REPS:-3} MAXREPS=${MAXREPS:-1} LAT_N=${LAT_N:-300}
export REALM=bench.test PASSWORD=secret DN_BASE=2000000
tmp=$(mktemp -d)
export RUN=${OUT:-$tmp}/run
mkdir -p "$RUN"
server='' load=''
finish() {
	[ -n "$load" ] && kill "$load" 2>/dev/null && wait "$load" || true
	if [ -n "$server" ]; then exec 3>&-; wait "$server" || true; fi # its input ends, so does it
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

(cd "$here/../.." && go build -o "$tmp/bench" ./jepsen/bench)
mkfifo "$tmp/input"
"$tmp/bench" -serve ${SECURED:+-secured} -loopback -binary "${BINARY:-}" -dns "$USERS" -realm "$REALM" <"$tmp/input" >"$tmp/targets" &
server=$!
exec 3>"$tmp/input"
for _ in $(seq 600); do
	grep -q TARGET_PIDS "$tmp/targets" && break
	kill -0 "$server" 2>/dev/null || { echo "our nodes did not start" >&2; exit 1; }
	sleep 0.1
done
. "$tmp/targets"
export TARGETS TARGET_PIDS TARGET_AUTH=1
"$here/kamailio/run.sh" both "${@:-auth3}" $([ $# -gt 0 ] || echo lat call call407) 3>&- &
load=$!
wait "$load"
load=''
echo
awk -F': ' '
	function verdict(what, value, least, aim, more) {
		good = more ? value >= aim : value <= aim
		fair = more ? value >= least : value <= least
		printf "%-58s %6.2f   at least %-5s aim %-5s %s\n", what, value, least, aim, good ? "aim" : fair ? "ok" : "MISSED"
	}
	function ratio(what, value) { printf "%-58s %6.2f\n", what, value }
	$1 == "ratio.auth3.cpu_s_per_1000" { verdict("CPU per registration, ours / Kamailio", $2, 1, 0.33, 0) }
	$1 == "ratio.auth3.max_per_s" { verdict("registrations/s, ours / Kamailio", $2, 1, 2, 1) }
	$1 == "kamailio.call.cpu_s_per_1000" { peer = $2 }
	$1 == "target.call407.cpu_s_per_1000" { challenged = $2 }
	$1 == "ratio.call.cpu_s_per_1000" { verdict("CPU per call over two nodes, ours / Kamailio", $2, 2, 1, 0) }
	$1 == "ratio.call.max_per_s" { ratio("calls/s over two nodes, ours / Kamailio", $2) }
	$1 == "ratio.lat.idle.visible_after_register_sent_ms_p50" { ratio("REGISTER to reachable through another node, p50, idle", $2) }
	$1 ~ /^ratio.lat.bg[0-9]+.visible_after_register_sent_ms_p50$/ { ratio("the same beside other registrations", $2) }
	END { if (peer > 0 && challenged > 0) ratio("CPU per call of a phone (with 407), ours / Kamailio without", challenged / peer) }' "$RUN/figures.txt"
