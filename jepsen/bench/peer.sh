#!/bin/bash
# The load of kamailio/run.sh at Kamailio and at three of our own nodes, side by side, with the ratios printed last.
#
#   jepsen/bench/peer.sh [part...]      parts: auth3 lat call call1 call2 call407 (the default), see kamailio/run.sh
#
# What is compared of calls: in part call a call arrives at node 1, and the phone is
# registered at node 2. Kamailio replicates contacts, so its node 1 goes to the phone:
# one hop; and it replicates nothing of calls. Ours goes by both nodes, and all nodes are
# told of the call and that the phone is busy. Parts call1 and call2 have the rows of equal
# hops: ours where the phone is (one hop), and Kamailio by Path (two).
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
"$here/kamailio/run.sh" both "${@:-auth3}" $([ $# -gt 0 ] || echo lat call call1 call2 call407) 3>&- &
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
	{ of[$1] = $2 }
	function equal(what, ours, peers) { if (of[ours] > 0 && of[peers] > 0) ratio(what, of[ours] / of[peers]) }
	$1 == "ratio.call.cpu_s_per_1000" { verdict("CPU per call, ours by two nodes / Kamailio by one", $2, 1.3, 0.8, 0) }
	$1 == "ratio.call.max_per_s" { verdict("calls/s, ours by two nodes / Kamailio by one", $2, 1.5, 1.5, 1) }
	$1 == "ratio.lat.idle.visible_after_register_sent_ms_p50" { ratio("REGISTER to reachable through another node, p50, idle", $2) }
	$1 ~ /^ratio.lat.bg[0-9]+.visible_after_register_sent_ms_p50$/ { ratio("the same beside other registrations", $2) }
	END {
		equal("CPU per call, both by one node", "target.call1.cpu_s_per_1000", "kamailio.call.cpu_s_per_1000")
		equal("CPU per call, both by two nodes", "target.call.cpu_s_per_1000", "kamailio.call2.cpu_s_per_1000")
		equal("calls/s, both by one node", "target.call1.max_per_s", "kamailio.call.max_per_s")
		equal("calls/s, both by two nodes", "target.call.max_per_s", "kamailio.call2.max_per_s")
		equal("CPU per call of a phone (with 407), ours / Kamailio without", "target.call407.cpu_s_per_1000", "kamailio.call.cpu_s_per_1000")
	}' "$RUN/figures.txt"
