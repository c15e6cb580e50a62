package main

import (
	"context"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestRun_WrongUsageIsStatus2(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", "sipcluster: a command is missing (see sipcluster --help)"},
		{"frobnicate", `sipcluster: sipcluster has no command "frobnicate" (see sipcluster --help)`},
		{"dn", "sipcluster: a command is missing (see sipcluster dn --help)"},
		{"dn frobnicate", `sipcluster: sipcluster dn has no command "frobnicate" (see sipcluster dn --help)`},
		{"dn list --frobnicate", "sipcluster: unknown flag: --frobnicate (see sipcluster dn list --help)"},
		{"dn list extra", `sipcluster: "extra" is an argument too many (see sipcluster dn list --help)`},
		{"dn list -o xml", "sipcluster: -o xml: want table, json or yaml (see sipcluster dn list --help)"},
		{"dn list --state up", "sipcluster: --state up: want InSrv or OOS (see sipcluster dn list --help)"},
		{"dn list --kind fax", `sipcluster: --kind "fax": want sip, pstn, routing-point, trunk or feature (see sipcluster dn list --help)`},
		{"dn get", "sipcluster: NUMBER is missing (see sipcluster dn get --help)"},
		{"dn get 1 2", `sipcluster: "2" is an argument too many (see sipcluster dn get --help)`},
		{"dn delete", "sipcluster: NUMBER is missing (see sipcluster dn delete --help)"},
		{"dev cut", "sipcluster: A is missing (see sipcluster dev cut --help)"},
		{"node drain", "sipcluster: NAME is missing (see sipcluster node drain --help)"},
		{"statsu", `sipcluster: sipcluster has no command "statsu": did you mean stats or status? (see sipcluster --help)`},
		{"dn wyh", `sipcluster: sipcluster dn has no command "wyh": did you mean why? (see sipcluster dn --help)`},
		{"dn remove", `sipcluster: sipcluster dn has no command "remove": did you mean delete? (see sipcluster dn --help)`},
		{"token rm", `sipcluster: sipcluster token has no command "rm": did you mean revoke? (see sipcluster token --help)`},
		{"dn lst", `sipcluster: sipcluster dn has no command "lst": did you mean list? (see sipcluster dn --help)`},
		{"dn put a;b", `sipcluster: "a;b" is not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * # (see sipcluster dn put --help)`},
		{"status --addr here", "sipcluster: --addr here: want HOST:PORT of a node's TCport (see sipcluster status --help)"},
		{"agent", "sipcluster: a command is missing (see sipcluster agent --help)"},
		{"agent login 1001", "sipcluster: --agent-id ID is missing (see sipcluster agent login --help)"},
		{"agent ready 1001 --mode lazy", "sipcluster: --mode lazy: want manual-in, auto-in, after-call-work, aux-work, no-call-disconnect (see sipcluster agent ready --help)"},
		{"agent logout 1001 --reason break", "sipcluster: --reason break: want KEY=VALUE with unique keys (see sipcluster agent logout --help)"},
		{"agent ready 1001 --addr here", "sipcluster: --addr here: want HOST:PORT of a node's TCport (see sipcluster agent ready --help)"},
		{"reserve 1001 --for 2h", "sipcluster: --for 2h0m0s: want 1ms to 1h0m0s (see sipcluster reserve --help)"},
		{"watch -o xml", "sipcluster: -o xml: want table, json or yaml (see sipcluster watch --help)"},
		{"apply", "sipcluster: -f FILE.yaml is missing (- for stdin) (see sipcluster apply --help)"},
		{"server", "sipcluster: --node NAME is missing (see sipcluster server --help)"},
		{"server --node A", "sipcluster: --node A: want 1 to 32 characters of a-z 0-9 - (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --bootstrap --join d:1", "sipcluster: --bootstrap and --join exclude each other: start a new cluster, or join one (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-rate -1", "sipcluster: --sip-rate -1: want 0 or more (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --join d", "sipcluster: --join d: want HOST:PORT of a member's cluster port (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --join [fe80::1%lo]:7002", "sipcluster: --join [fe80::1%lo]:7002: want HOST:PORT of a member's cluster port (see sipcluster server --help)"},
		{"status --addr [fe80::1%lo]:7001", "sipcluster: --addr [fe80::1%lo]:7001: want HOST:PORT of a node's TCport (see sipcluster status --help)"},
		{"server --node a --site b --data-dir c --bind here", "sipcluster: --bind here: want an IP address of this machine (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-ws-addr 5066", "sipcluster: --sip-ws-addr 5066: want HOST:PORT or :PORT (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-wss-addr :5067", "sipcluster: --sip-tls-addr and --sip-wss-addr need --sip-tls-cert FILE and --sip-tls-key FILE (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --tc-addr 7001", "sipcluster: --tc-addr 7001: want HOST:PORT or :PORT (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --log-level loud", "sipcluster: --log-level loud: want debug, info, warn or error (see sipcluster server --help)"},
		{"node drain a --undo --wait", "sipcluster: --undo goes with neither --wait nor --deadline (see sipcluster node drain --help)"},
		{"node drain a --deadline 1000h", "sipcluster: --deadline 1000h0m0s: want 0s to 720h0m0s (see sipcluster node drain --help)"},
		{"dev --nodes 9", "sipcluster: --nodes 9: want 1 to 8 (see sipcluster dev --help)"},
		{"dev frobnicate", `sipcluster: unknown command "frobnicate" for "sipcluster dev" (see sipcluster dev --help)`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, _, stderr := runCLI(t.Context(), "", strings.Fields(tc.args)...)
			if status != exitUsage {
				t.Errorf("status %d", status)
			}
			clienttest.Same(t, stderr, tc.want+"\n")
		})
	}
}

func TestRun_FailureIsStatus1(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"status --addr 127.0.0.1:1", "sipcluster: status: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"dn watch --addr 127.0.0.1:1", "sipcluster: dn watch: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"watch --addr 127.0.0.1:1", "sipcluster: watch: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"agent ready 1001 --addr 127.0.0.1:1", "sipcluster: agent ready 1001: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"reserve 1001 --addr 127.0.0.1:1", "sipcluster: reserve 1001: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"export --addr 127.0.0.1:1", "sipcluster: export: no sipcluster node answers at 127.0.0.1:1: is it running? (--addr)"},
		{"dn import nowhere.csv", "sipcluster: dn import: open nowhere.csv: no such file or directory"},
		{"dev cut a b --state nowhere.json", "sipcluster: dev cut: no dev cluster is running (nowhere.json does not exist): start one with sipcluster dev"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, _, stderr := runCLI(t.Context(), "", strings.Fields(tc.args)...)
			if status != exitFailed {
				t.Errorf("status %d", status)
			}
			clienttest.Same(t, stderr, tc.want+"\n")
		})
	}
}

// runCLI runs a command line in this process.
func runCLI(ctx context.Context, stdin string, args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	c, _ := clienttest.Plain()
	c.In, c.Out, c.Err = strings.NewReader(stdin), &out, &errs
	status = run(ctx, c.Console, args)
	return status, out.String(), errs.String()
}
