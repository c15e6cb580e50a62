package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// settings parses a command line with an environment and a file.
func settings(t *testing.T, args []string, env map[string]string, file string) (*serverFlags, error) {
	t.Helper()
	s, f := &serverFlags{}, pflag.NewFlagSet("server", pflag.ContinueOnError)
	s.add(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, fill(f, func(name string) string { return env[name] }, path)
}

func TestServerFlags_FlagBeatsEnvironmentBeatsFile(t *testing.T) {
	s, err := settings(t, []string{"--node", "a"},
		map[string]string{"SIPCLUSTER_NODE": "b", "SIPCLUSTER_SITE": "env", "SIPCLUSTER_DEV": "true"},
		"node: c\nsite: file\nrealm: example.org\njoin:\n  - 192.0.2.1:7002\n  - 192.0.2.2:7002\nlink-timeout: 2s\n")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.node, " ", s.site, " ", s.realm, " ", s.join, " ", s.linkTimeout, " ", s.tc, " ", s.dev)
	same(t, got, "a env example.org [192.0.2.1:7002 192.0.2.2:7002] 2s :7001 false")
}

func TestServerFlags_BadSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		env        map[string]string
		file, want string
	}{
		"unknown key": {nil, "node: a\nnoode: b\n", "line 2: unknown key noode: want a flag's name without --"},
		"hidden key":  {nil, "dev: true\n", "line 1: unknown key dev: want a flag's name without --"},
		"twice":       {nil, "node: a\nnode: b\n", "line 2: node appears twice"},
		"value":       {nil, "site: x\nbootstrap: maybe\n", `line 2: bootstrap: strconv.ParseBool: parsing "maybe": invalid syntax`},
		"nested":      {nil, "node: {name: a}\n", "line 1: node: want a value or a list"},
		"a list":      {nil, "- node\n", "line 1: want KEY: VALUE lines whose keys are the names of flags"},
		"environment": {map[string]string{"SIPCLUSTER_JOIN_TIMEOUT": "soon"}, "", `environment SIPCLUSTER_JOIN_TIMEOUT=soon: time: invalid duration "soon"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings(t, nil, tc.env, tc.file)
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestRun_WrongUsageIsStatus2(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"", "sipcluster: a command is missing (see sipcluster --help)"},
		{"frobnicate", `sipcluster: sipcluster has no command "frobnicate" (see sipcluster --help)`},
		{"dn", "sipcluster: a command is missing (see sipcluster dn --help)"},
		{"dn frobnicate", `sipcluster: sipcluster dn has no command "frobnicate" (see sipcluster dn --help)`},
		{"dn list --frobnicate", "sipcluster: unknown flag: --frobnicate (see sipcluster dn list --help)"},
		{"dn list extra", `sipcluster: unknown command "extra" for "sipcluster dn list" (see sipcluster dn list --help)`},
		{"dn list -o xml", "sipcluster: -o xml: want table or json (see sipcluster dn list --help)"},
		{"dn list --state up", "sipcluster: --state up: want InSrv or OOS (see sipcluster dn list --help)"},
		{"dn list --kind fax", `sipcluster: --kind "fax": want sip, pstn, routing-point or trunk (see sipcluster dn list --help)`},
		{"dn get", "sipcluster: accepts 1 arg(s), received 0 (see sipcluster dn get --help)"},
		{"dn put a;b", `sipcluster: "a;b" is not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * # (see sipcluster dn put --help)`},
		{"status --addr here", "sipcluster: --addr here: want HOST:PORT of a node's TCport (see sipcluster status --help)"},
		{"agent", "sipcluster: a command is missing (see sipcluster agent --help)"},
		{"agent login 1001", "sipcluster: --agent-id ID is missing (see sipcluster agent login --help)"},
		{"agent ready 1001 --mode lazy", "sipcluster: --mode lazy: want manual-in, auto-in, after-call-work, aux-work, no-call-disconnect (see sipcluster agent ready --help)"},
		{"agent logout 1001 --reason break", "sipcluster: --reason break: want KEY=VALUE with unique keys (see sipcluster agent logout --help)"},
		{"agent ready 1001 --addr here", "sipcluster: --addr here: want HOST:PORT of a node's TCport (see sipcluster agent ready --help)"},
		{"reserve 1001 --for 2h", "sipcluster: --for 2h0m0s: want 1ms to 1h0m0s (see sipcluster reserve --help)"},
		{"watch -o xml", "sipcluster: -o xml: want table or json (see sipcluster watch --help)"},
		{"apply", "sipcluster: -f FILE.yaml is missing (- for stdin) (see sipcluster apply --help)"},
		{"server", "sipcluster: --node NAME is missing (see sipcluster server --help)"},
		{"server --node A", "sipcluster: --node A: want 1 to 32 characters of a-z 0-9 - (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --bootstrap --join d:1", "sipcluster: --bootstrap and --join exclude each other: start a new cluster, or join one (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-rate -1", "sipcluster: --sip-rate -1: want 0 or more (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --join d", "sipcluster: --join d: want HOST:PORT of a member's cluster port (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --bind here", "sipcluster: --bind here: want an IP address of this machine (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-ws-addr 5066", "sipcluster: --sip-ws-addr 5066: want HOST:PORT or :PORT (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --sip-wss-addr :5067", "sipcluster: --sip-tls-addr and --sip-wss-addr need --sip-tls-cert FILE and --sip-tls-key FILE (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --tc-addr 7001", "sipcluster: --tc-addr 7001: want HOST:PORT or :PORT (see sipcluster server --help)"},
		{"server --node a --site b --data-dir c --log-level loud", "sipcluster: --log-level loud: want debug, info, warn or error (see sipcluster server --help)"},
		{"dev --nodes 9", "sipcluster: --nodes 9: want 1 to 8 (see sipcluster dev --help)"},
		{"dev frobnicate", `sipcluster: unknown command "frobnicate" for "sipcluster dev" (see sipcluster dev --help)`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, _, stderr := runCLI(t.Context(), "", strings.Fields(tc.args)...)
			if status != exitUsage {
				t.Errorf("status %d", status)
			}
			same(t, stderr, tc.want+"\n")
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
			same(t, stderr, tc.want+"\n")
		})
	}
}

// runCLI runs a command line in this process.
func runCLI(ctx context.Context, stdin string, args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	c, _ := plainCLI()
	c.in, c.out, c.err = strings.NewReader(stdin), &out, &errs
	status = run(ctx, c.console, args)
	return status, out.String(), errs.String()
}

func TestDevLayout_NoPortTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range layout(maxDevNodes, "127.0.0.1", 5060, 7000) {
		for _, a := range []string{n.SIPAddr, n.WSAddr, n.DefaultAddr, n.TCAddr, n.ClusterAddr, n.GossipAddr, n.HTTPAddr} {
			if seen[a] {
				t.Errorf("%s twice", a)
			}
			seen[a] = true
		}
	}
	first := layout(1, "127.0.0.1", 5060, 7000)[0]
	same(t, fmt.Sprint(first.SIPAddr, first.WSAddr, first.TCAddr, first.HTTPAddr), "127.0.0.1:5060127.0.0.1:5066127.0.0.1:7001127.0.0.1:7080")
}

func TestDevState_Links(t *testing.T) {
	s := &devState{Nodes: layout(3, "127.0.0.1", 5060, 7000)}
	for _, tc := range []struct{ names, want string }{
		{"", "[[sip1 sip2] [sip1 sip3] [sip2 sip3]]"},
		{"sip2", "[[sip1 sip2] [sip2 sip3]]"},
		{"sip3 dc1", "[[sip1 sip3]]"},
		{"dc1 sip1", "sip1"}, // no link to itself
		{"sip1 sip9", "sip9"},
	} {
		pairs, err := s.pairs(strings.Fields(tc.names))
		if err != nil && !strings.Contains(err.Error(), tc.want) || err == nil && fmt.Sprint(pairs) != tc.want {
			t.Errorf("%s: %v %v, want %s", tc.names, pairs, err, tc.want)
		}
	}
	one, _ := s.pairs([]string{"sip1", "sip2"})
	all, _ := s.pairs([]string{"sip1"})
	s.change(one, true)
	if changed := s.change(all, true); fmt.Sprint(changed) != "[[sip1 sip3]]" {
		t.Errorf("cut anew: %v", changed)
	}
	if got := s.cutOff("sip1"); !slices.Equal(got, []string{"sip2", "sip3"}) {
		t.Errorf("sip1 is cut off %v", got)
	}
	s.change(one, false)
	if got := fmt.Sprint(s.cutOff("sip1"), s.cutOff("sip2"), s.cutOff("sip3")); got != "[sip3] [] [sip1]" {
		t.Error(got)
	}
}

// A key file that was cut to nothing must not start a node in clear.
func TestServerFlags_EmptyClusterKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, text := range []string{"", " \n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := settings(t, []string{"--cluster-key-file", path}, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if key, err := s.clusterKey(); err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%q gave a key of %d bytes, %v", text, len(key), err)
		}
	}
}
