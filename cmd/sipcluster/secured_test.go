package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// user runs commands with contexts of its own.
type user struct {
	t    *testing.T
	file string
}

func newUser(t *testing.T) user { return user{t, filepath.Join(t.TempDir(), "contexts.yaml")} }

func (u user) runs(stdin string, args ...string) (status int, out, stderr string) {
	u.t.Helper()
	u.t.Setenv("SIPCLUSTER_CONTEXTS", u.file)
	return runCLI(u.t.Context(), stdin, args...)
}

// does wants a command to succeed and returns what it prints.
func (u user) does(args ...string) string {
	u.t.Helper()
	status, out, stderr := u.runs("", args...)
	if status != exitDone {
		u.t.Fatalf("%v: status %d: %s", args, status, stderr)
	}
	return out
}

// fails wants a command to fail with these words.
func (u user) fails(words string, args ...string) {
	u.t.Helper()
	if status, out, stderr := u.runs("", args...); status == exitDone || !strings.Contains(stderr, words) {
		u.t.Errorf("%v: status %d: %s%s, want %q", args, status, out, stderr, words)
	}
}

// TestSecured_FromTheBootstrapToARevokedToken: nothing is configured; who made the
// cluster finds itself its administrator, and gives others what they need.
func TestSecured_FromTheBootstrapToARevokedToken(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a node")
	}
	admin, dir, a := newUser(t), t.TempDir(), freeAddrs(t, 6)
	cmd := program(t, "server", "--node", "a", "--site", "dc1", "--data-dir", dir, "--bootstrap", "--realm", "example.org",
		"--sip-addr", a[0], "--default-addr", a[1], "--tc-addr", a[2], "--cluster-addr", a[3], "--gossip-addr", a[4], "--http-addr", a[5])
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.Env = append(cmd.Env, "SIPCLUSTER_CONTEXTS="+admin.file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { // before the context of the test ends, and kills it
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := patience.Receive(t, "the end of the node", ended); err != nil {
			t.Errorf("%v: %s", err, log.String())
		}
		if n := strings.Count(log.String(), "sipcluster: the first administrator of this cluster is context example.org in "+admin.file); n != 1 {
			t.Errorf("it said %d times who its administrator is: %s", n, log.String())
		}
	}()
	patience.Until(t, "the administrator's context", func() bool {
		f, err := contexts.Load(admin.file)
		return err == nil && f.Present() != nil
	})
	patience.Until(t, "the node's quorum", func() bool {
		status, out, _ := admin.runs("", "status")
		return status == exitDone && strings.Contains(out, "quorum")
	})
	if out := admin.does("whoami"); !strings.Contains(out, "admin, role admin") || !strings.Contains(out, "context example.org") {
		t.Errorf("whoami: %s", out)
	}
	admin.does("dn", "put", "1001", "--kind", "sip", "--password", "x")
	strangers(t, a[2], a[1])
	remembers(t, admin, a[2])
	others(t, admin, a[2])
	audited(t, admin)
	onlyItsOwner(t, admin)
}

// remembers: which cluster is at an address is looked at once.
func remembers(t *testing.T, admin user, addr string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	another := net.JoinHostPort("::ffff:"+host, port)
	admin.does("status", "--addr", another)
	f, err := contexts.Load(admin.file)
	if err != nil || f.Listing(another) == nil || f.Present().Addresses[0] != addr {
		t.Errorf("%v, addresses %v", err, f.Present().Addresses)
	}
}

// strangers reach nothing.
func strangers(t *testing.T, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		newUser(t).fails("asks who you are", "dn", "list", "--addr", addr)
		cl, err := client.Connect(addr, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cl.Config.Export(t.Context(), &configpb.ExportRequest{Secrets: true}); err == nil {
			s, _ := cl.Config.Export(t.Context(), &configpb.ExportRequest{Secrets: true})
			if part, err := s.Recv(); err == nil {
				t.Errorf("in the clear it exports %v", part)
			}
		}
		cl.Close()
	}
}

// others get tokens, use them by what login keeps, and lose them.
func others(t *testing.T, admin user, addr string) {
	t.Helper()
	stat, file := newUser(t), filepath.Join(t.TempDir(), "stat.context")
	admin.does("token", "create", "stat1", "--role", "stat", "--context-file", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the context is in a file of mode %v: %v", info.Mode(), err)
	}
	stat.does("login", "--file", file)
	admin.does("login", "--file", file) // as somebody else: a context of its own
	admin.does("context", "use", "example.org")
	if out := stat.does("dn", "list", "--addr", addr); !strings.Contains(out, "1001") {
		t.Errorf("it lists %s", out)
	}
	stat.fails("role stat may not", "dn", "put", "1002", "--kind", "sip", "--password", "x")
	stat.fails("role stat may not", "export")
	stat.fails("role stat may not", "token", "list")
	f, err := contexts.Load(admin.file)
	if err != nil {
		t.Fatal(err)
	}
	config := newUser(t)
	secret := strings.TrimSpace(admin.does("token", "create", "conf", "--role", "config", "--expires", "1h"))
	if status, _, stderr := config.runs(secret, "login", "--addr", addr); status == exitDone || !strings.Contains(stderr, "--ca-sha256 "+f.Present().Authorities[0]) {
		t.Errorf("it trusts whoever answers: %s", stderr)
	}
	if status, _, stderr := config.runs(secret+"\n", "login", "--addr", addr, "--ca-sha256", f.Present().Authorities[0]); status != exitDone {
		t.Fatal(stderr)
	}
	config.does("dn", "put", "1002", "--kind", "sip", "--password", "x")
	config.fails("exports no secrets", "export")
	if out := config.does("export", "--no-secrets"); !strings.Contains(out, "1002") || strings.Contains(out, "ha1:") {
		t.Errorf("it exports %s", out)
	}
	config.fails("role config may not", "node", "drain", "a")
	if out := admin.does("token", "list"); strings.Contains(out, secret[17:]) || !strings.Contains(out, "stat1") {
		t.Errorf("the list: %s", out)
	}
	admin.does("token", "revoke", "stat1")
	stat.fails("revoked", "dn", "list")
	admin.does("token", "revoke", "conf", "--here")
	config.fails("revoked", "dn", "list")
	admin.fails("create another one first", "token", "revoke", "admin")
}

// audited: who did what is told, and who was not allowed to.
func audited(t *testing.T, admin user) {
	t.Helper()
	out := admin.does("audit")
	for _, want := range []string{"admin (admin, token ", "put dn 1001", "conf (config, token ", "put dn 1002", "delete token"} {
		if !strings.Contains(out, want) {
			t.Errorf("the audit lacks %q:\n%s", want, out)
		}
	}
}

// onlyItsOwner may read the contexts; what is wider is refused.
func onlyItsOwner(t *testing.T, admin user) {
	t.Helper()
	info, err := os.Stat(admin.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("contexts are in a file of mode %v: %v", info.Mode(), err)
	}
	if err := os.Chmod(admin.file, 0o640); err != nil {
		t.Fatal(err)
	}
	admin.fails("chmod 600", "status")
	if err := os.Chmod(admin.file, 0o600); err != nil {
		t.Fatal(err)
	}
	admin.does("status")
	admin.does("context", "remove", "example.org")
	admin.fails("no context is called", "context", "use", "example.org")
}
