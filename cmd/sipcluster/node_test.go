package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

var loopbacks atomic.Uint32

// freeAddrs are addresses of loopback that nobody listens at. Their IP is that of
// no other test, so nobody takes their ports before they are used.
func freeAddrs(t *testing.T, n int) []string {
	t.Helper()
	pid := os.Getpid()
	ip := fmt.Sprintf("127.%d.%d.%d", 100+pid/250%100, 1+pid%250, 1+loopbacks.Add(1)%250)
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// oneNode runs a cluster of one real node in this process.
func oneNode(t *testing.T) node.Config {
	t.Helper()
	return startNode(t, node.Config{Name: "sip1", Site: "dc1", Realm: "example.org", Bootstrap: true})
}

// startNode runs a real node in this process, of a cluster that asks nobody who he is.
func startNode(t *testing.T, cfg node.Config) node.Config {
	t.Helper()
	cfg.Insecure = true
	cfg, ended := launchNode(t, cfg)
	awaitStatus(t, cfg.TCAddr, ended)
	return cfg
}

// launchNode runs a real node in this process and does not wait for it.
func launchNode(t *testing.T, cfg node.Config) (node.Config, <-chan struct{}) {
	t.Helper()
	a := freeAddrs(t, 6)
	cfg = node.Config{
		Name: cfg.Name, Site: cfg.Site, DataDir: t.TempDir(), Bind: "127.0.0.1", Realm: cfg.Realm, Bootstrap: cfg.Bootstrap, Join: cfg.Join, InviteFile: cfg.InviteFile,
		SIPAddr: a[0], DefaultAddr: a[1], TCAddr: a[2], ClusterAddr: a[3], GossipAddr: a[4], HTTPAddr: a[5],
		Insecure: cfg.Insecure, Records: cfg.Records, CallTrace: cfg.CallTrace, Log: slog.New(slog.DiscardHandler),
	}
	n, err := node.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := n.Run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, node.ErrRemoved) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the node", ended)
	})
	return cfg, ended
}

func awaitStatus(t *testing.T, addr string, ended <-chan struct{}) {
	t.Helper()
	cl, err := client.Connect(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	patience.Until(t, "the node's quorum", func() bool {
		select {
		case <-ended:
			t.Fatal("the node ended")
		default:
		}
		s, err := cl.Cluster.Status(t.Context(), &tcpb.StatusRequest{})
		return err == nil && s.GetRaft().GetQuorum()
	})
}

// operator runs client commands against one node.
type operator struct {
	t    *testing.T
	addr string
}

// does wants a command to succeed and returns what it prints.
func (o operator) does(stdin string, args ...string) string {
	o.t.Helper()
	status, stdout, stderr := runCLI(o.t.Context(), stdin, append(args, "--addr", o.addr)...)
	if status != exitDone || stderr != "" {
		o.t.Errorf("%v: status %d: %s", args, status, stderr)
	}
	return stdout
}

// fails wants a command to fail with one line.
func (o operator) fails(stdin string, want string, args ...string) {
	o.t.Helper()
	status, _, stderr := runCLI(o.t.Context(), stdin, append(args, "--addr", o.addr)...)
	if status != exitFailed || stderr != "sipcluster: "+want+"\n" {
		o.t.Errorf("%v: status %d:\n got %s want sipcluster: %s", args, status, stderr, want)
	}
}

func TestCommands_AgainstARealNode(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	t.Run("put keeps the password that it is not given", func(t *testing.T) { putScenes(operator{t, o.addr}) })
	t.Run("a bad import changes nothing", func(t *testing.T) { importScenes(operator{t, o.addr}) })
	t.Run("a second apply changes nothing", func(t *testing.T) { applyScenes(operator{t, o.addr}) })
	t.Run("apply deletes what a file does not have", func(t *testing.T) { pruneScenes(operator{t, o.addr}) })
	if !testing.Short() { // sealing takes the race detector minutes
		t.Run("a backup is the way back", func(t *testing.T) { backupScenes(operator{t, o.addr}) })
	}
	t.Run("a phone registers", func(t *testing.T) { phoneScenes(operator{t, o.addr}, cfg.SIPAddr) })
	t.Run("status and nodes", func(t *testing.T) { statusScenes(operator{t, o.addr}) })
}

func putScenes(o operator) {
	clienttest.Same(o.t, o.does("secret\n", "dn", "put", "1001", "--password-file", "-", "--group", "sales"), "group sales created\ndn 1001 created\n")
	before := o.does("", "export")
	if !strings.Contains(before, config.HA1(0, "1001", "example.org", "secret")) {
		o.t.Errorf("ha1 is not that of the password:\n%s", before)
	}
	clienttest.Same(o.t, o.does("", "dn", "put", "1001", "--disabled"), "dn 1001 changed\n")
	clienttest.Same(o.t, o.does("", "dn", "put", "1001", "--disabled=false"), "dn 1001 changed\n")
	clienttest.Same(o.t, o.does("", "export"), before)
	clienttest.Same(o.t, o.does("", "dn", "put", "2001", "--kind", "pstn", "--external", "+15551234567"), "dn 2001 created\n")
	o.fails("", `dn put 2002: DN 2002: external "1" is not a number in E.164 form, as +15551234567`, "dn", "put", "2002", "--kind", "pstn", "--external", "1")
	o.fails("", "dn get: DN 2002 is neither configured nor known here", "dn", "get", "2002")
	clienttest.Same(o.t, o.does("", "dn", "delete", "2001"), "2001 deleted\n")
	o.fails("", `dn delete: DN "2001" does not exist`, "dn", "delete", "2001")
	var row dnRow
	if err := json.Unmarshal([]byte(o.does("", "dn", "get", "1001", "-o", "json")), &row); err != nil || row.DN != "1001" || !row.Enabled || fmt.Sprint(row.Groups) != "[sales]" {
		o.t.Error(row, err)
	}
}

func importScenes(o operator) {
	before := o.does("", "export")
	o.fails(header+"5001,sip,s,,sales\n5002,fax,,,\n", `dn import -: row 3: DN 5002: kind "fax": want sip, pstn, routing-point, trunk or feature; nothing was imported`, "dn", "import", "-")
	// What only the node finds wrong is named by its row too.
	o.fails(header+"5001,sip,s,,a;b\n5002,pstn,,12x,\n", `dn import -: row 3: DN 5002: external "12x" is not a number in E.164 form, as +15551234567; nothing was imported`, "dn", "import", "-")
	// All of them are named, whoever found them.
	status, _, stderr := runCLI(o.t.Context(), header+"5001,fax,,,\n5002,sip,s,,ok\n5003,pstn,,12x,\n5002,sip,s,,\n5004,sip,s,,a b\n", "dn", "import", "-", "--addr", o.addr)
	if want := `row 2: DN 5001: kind "fax": want sip, pstn, routing-point, trunk or feature
row 4: DN 5003: external "12x" is not a number in E.164 form, as +15551234567
row 5: DN 5002 is in row 3 already
row 6: group "a b": want 1 to 64 characters of A-Z a-z 0-9 . - _
sipcluster: dn import -: 4 rows are wrong; nothing was imported
`; status != exitFailed || stderr != want {
		o.t.Errorf("status %d:\ngot  %s\nwant %s", status, stderr, want)
	}
	clienttest.Same(o.t, o.does("", "export"), before)

	var file strings.Builder
	file.WriteString(header)
	for i := range 3000 {
		fmt.Fprintf(&file, "5%04d,sip,pw%d,,sales;g%d\n", i, i, i%3)
	}
	if got := o.does(file.String(), "dn", "import", "-"); !strings.HasPrefix(got, "3000 DNs imported, 3 groups created, in ") {
		o.t.Error(got)
	}
	if n := strings.Count(o.does("", "dn", "list", "--prefix", "5", "-o", "json"), `"state":"OOS"`); n != 3000 {
		o.t.Errorf("%d DNs are listed", n)
	}
}

func applyScenes(o operator) {
	text := o.does("", "export")
	clienttest.Same(o.t, o.does(text, "apply", "-f", "-"), "unchanged\n")
	more := "options: {max_contacts: 4}\ndns:\n  - {dn: 6001, kind: sip, password: s, groups: [new]}\n"
	clienttest.Same(o.t, o.does(more, "apply", "-f", "-", "--dry-run"), "would be: options changed; groups 1 created, 0 changed, 0 unchanged; DNs 1 created, 0 changed, 0 unchanged\n")
	clienttest.Same(o.t, o.does(more, "apply", "-f", "-"), "options changed; groups 1 created, 0 changed, 0 unchanged; DNs 1 created, 0 changed, 0 unchanged\n")
	clienttest.Same(o.t, o.does(more, "apply", "-f", "-"), "unchanged\n")
	o.fails("dns:\n  - dn: 6002\n    king: sip\n", "apply -: line 3: unknown key king", "apply", "-f", "-")
	o.fails("dns: [{dn: 6003, kind: sip}]\n", "apply -: DN 6003: there is no stored password to keep, give one", "apply", "-f", "-")
}

// pruneScenes delete what a file does not have, and say so first.
func pruneScenes(o operator) {
	before := o.does("", "export")
	file := before + "\n"
	o.does("", "dn", "put", "6101", "--kind", "pstn", "--external", "+15551110000", "--group", "gone")
	o.fails("options: {max_contacts: 4}\n", "apply -: --prune: the file has neither groups nor DNs: it would delete everything", "apply", "-f", "-", "--prune")
	clienttest.Same(o.t, o.does(file, "apply", "-f", "-"), "unchanged\n")
	plan := "delete DN 6101\ndelete group gone\n"
	if got := o.does(file, "apply", "-f", "-", "--prune", "--dry-run"); !strings.HasPrefix(got, plan+"would be: ") {
		o.t.Error(got)
	}
	if got := o.does("", "export"); got == before {
		o.t.Error("a dry run has deleted something")
	}
	if got := o.does(file, "apply", "-f", "-", "--prune"); !strings.HasPrefix(got, plan) || !strings.Contains(got, ", 1 deleted; DNs") || !strings.HasSuffix(got, ", 1 deleted\n") {
		o.t.Error(got)
	}
	clienttest.Same(o.t, o.does("", "export"), before)
}

// backupScenes go back to what a backup has.
func backupScenes(o operator) {
	dir := o.t.TempDir()
	secret, file := filepath.Join(dir, "passphrase"), filepath.Join(dir, "cluster.backup")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	before := o.does("", "export")
	got := o.does("", "backup", file, "--passphrase-file", secret)
	sealed, err := os.ReadFile(file)
	info, err2 := os.Stat(file)
	if want := fmt.Sprintf("%s: %d bytes, sealed\n", file, len(sealed)); got != want {
		o.t.Errorf("%q, want %q", got, want)
	}
	if err != nil || err2 != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(sealed), "1001") {
		o.t.Error("the file is not sealed, or others may read it", err, err2)
	}
	plain := o.does("", "backup", "-")

	o.does("", "dn", "delete", "1001")
	o.does("", "dn", "put", "6201", "--kind", "pstn", "--external", "+15551110001", "--group", "later")
	changed := o.does("", "export")
	differences := "DN 1001 created\nDN 6201 deleted\ngroup later deleted\n"
	if got := o.does("", "restore", file, "--passphrase-file", secret, "--dry-run"); !strings.HasPrefix(got, differences+"would be restored from cluster ") {
		o.t.Error(got)
	}
	clienttest.Same(o.t, o.does("", "export"), changed)
	if got := o.does("", "restore", file, "--passphrase-file", secret); !strings.HasPrefix(got, differences+"restored from cluster ") {
		o.t.Error(got)
	}
	clienttest.Same(o.t, o.does("", "export"), before)
	clienttest.Same(o.t, o.does("", "restore", file, "--passphrase-file", secret), "unchanged\n")

	o.does("", "dn", "delete", "1001")
	o.does(plain, "restore", "-")
	clienttest.Same(o.t, o.does("", "export"), before)
	badBackups(o, file, secret, sealed)
	clienttest.Same(o.t, o.does("", "export"), before)
}

// badBackups change nothing.
func badBackups(o operator, file, secret string, sealed []byte) {
	wrong := filepath.Join(filepath.Dir(secret), "wrong")
	for _, f := range []struct {
		name, content string
		mode          os.FileMode
	}{{wrong, "correct house", 0o600}, {wrong + "2", "correct horse", 0o644}, {file + "2", string(sealed[:len(sealed)-100]), 0o600}, {file + "3", "a text", 0o600}} {
		if err := os.WriteFile(f.name, []byte(f.content), f.mode); err != nil {
			o.t.Fatal(err)
		}
	}
	o.fails("", "restore "+file+": wrong passphrase", "restore", file, "--passphrase-file", wrong)
	for _, args := range [][]string{{file, wrong + "2"}, {file + "2", secret}, {file + "3", secret}} {
		if got, _, stderr := runCLI(o.t.Context(), "", "restore", args[0], "--passphrase-file", args[1], "--addr", o.addr); got != exitFailed {
			o.t.Errorf("%v: status %d, %s", args, got, stderr)
		}
	}
}

func phoneScenes(o operator, sipAddr string) {
	watched := o.watches()
	p, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "secret", Domain: "example.org", Server: sipAddr})
	if err != nil {
		o.t.Fatal(err)
	}
	defer p.Close()
	if err := accepted(p.Register(o.t.Context(), time.Minute)); err != nil {
		o.t.Fatal(err)
	}
	watched.wants(o.t, `"event":"EventDNBackInService","dn":"1001","state":"InSrv","owner":"sip1","reason":"registered"`)
	if got := o.does("", "dn", "list", "--routable"); !strings.Contains(got, "1001  sip   ● InSrv  sip1   dc1   registered  ") {
		o.t.Error(got)
	}
	if err := accepted(p.Unregister(o.t.Context())); err != nil {
		o.t.Fatal(err)
	}
	watched.wants(o.t, `"event":"EventDNOutOfService","dn":"1001","state":"OOS","owner":"","reason":"unregistered"`)
	clienttest.Same(o.t, o.does("", "dn", "list", "--routable", "-o", "json"), "[]\n")
	watched.ends(o.t)
}

// dnRow is what dn get tells a script.
type dnRow struct {
	DN      string
	Enabled bool
	Groups  []string
	Agent   struct{ State string }
}

// accepted makes an error of every answer but 200.
func accepted(res *siptest.Response, err error) error {
	if err == nil && res.Code != 200 {
		err = fmt.Errorf("answered %d %s", res.Code, res.Reason)
	}
	return err
}

// header is the first row of a CSV file to import.
const header = "dn,kind,password,external,groups\n"

func statusScenes(o operator) {
	var s struct {
		Node string
		Raft struct {
			State  string
			Quorum bool
		}
		Peers []any
	}
	if err := json.Unmarshal([]byte(o.does("", "status", "-o", "json")), &s); err != nil || s.Node != "sip1" || s.Raft.State != "leader" || !s.Raft.Quorum || s.Peers == nil {
		o.t.Error(s, err)
	}
	if got := o.does("", "node", "list"); !strings.Contains(got, "sip1  dc1   ● asked  leader  0    127.") {
		o.t.Error(got)
	}
	o.fails("", `node drain sip9: no node is named "sip9" in this cluster`, "node", "drain", "sip9")
	o.fails("", "node remove sip1: node sip1 is the last one: a cluster needs a node", "node", "remove", "sip1")
	clienttest.Same(o.t, o.does("", "node", "drain", "sip1"), "node sip1 is draining\n")
	if got := o.does("", "status"); !strings.Contains(got, "  draining\n") {
		o.t.Error(got)
	}
	clienttest.Same(o.t, o.does("", "node", "drain", "sip1", "--undo"), "node sip1 takes part again\n")
	clienttest.Same(o.t, o.does("", "node", "drain", "sip1", "-o", "json"), `{"node":"sip1","draining":true}`+"\n")
	if got := o.does("", "node", "drain", "sip1", "--wait", "--deadline", "0s"); !strings.HasSuffix(got, "node sip1 is drained: 0 DNs moved\n") {
		o.t.Error(got)
	}
	var last struct {
		Node        string
		Draining    bool
		Left, Calls *uint64
	}
	lines := strings.Split(strings.TrimSpace(o.does("", "node", "drain", "sip1", "--wait", "-o", "json")), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Node != "sip1" || !last.Draining || last.Left == nil || *last.Left+*last.Calls != 0 {
		o.t.Error(lines, err)
	}
	clienttest.Same(o.t, o.does("", "node", "drain", "sip1", "--undo"), "node sip1 takes part again\n")
}

func TestServer_FailsWithOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"port in use":        {[]string{"--bootstrap", "--tc-addr", taken.Addr().String()}, "--tc-addr"},
		"no directory":       {[]string{"--bootstrap", "--data-dir", filepath.Join(file, "x")}, "--data-dir"},
		"no cluster":         {nil, "--bootstrap"},
		"join to nowhere":    {[]string{"--join", "127.0.0.1:1", "--join-timeout", "200ms"}, "127.0.0.1:1"},
		"short key":          {[]string{"--bootstrap", "--cluster-key-file", file}, ""},
		"no key file":        {[]string{"--bootstrap", "--cluster-key-file", file + "x"}, "--cluster-key-file"},
		"not an own address": {[]string{"--bootstrap", "--bind", "192.0.2.77"}, "192.0.2.77"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "short key" {
				if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a := freeAddrs(t, 6)
			args := append([]string{
				"server", "--insecure", "--node", "a", "--site", "dc1", "--data-dir", t.TempDir(), "--log-level", "error",
				"--sip-addr", a[0], "--default-addr", a[1], "--tc-addr", a[2], "--cluster-addr", a[3], "--gossip-addr", a[4], "--http-addr", a[5],
			}, tc.args...)
			if name == "not an own address" {
				args = append(args, "--sip-addr", ":0", "--default-addr", ":0", "--tc-addr", ":0", "--cluster-addr", ":0", "--gossip-addr", ":0", "--http-addr", ":0")
			}
			status, _, stderr := runCLI(t.Context(), "", args...)
			if status != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "sipcluster: ") || !strings.Contains(stderr, tc.want) {
				t.Errorf("status %d: %s", status, stderr)
			}
			t.Log(stderr)
		})
	}
}
