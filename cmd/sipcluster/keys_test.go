package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
)

// asAdmin runs a command as the first administrator of the node's cluster.
func asAdmin(t *testing.T, contexts string) func(args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return func(args ...string) (int, string, string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
		defer cancel()
		var out, errs strings.Builder
		c, _ := clienttest.Plain()
		c.In, c.Out, c.Err = strings.NewReader(""), &out, &errs
		c.Getenv = func(name string) string {
			return map[string]string{"SIPCLUSTER_CONTEXTS": contexts}[name]
		}
		status := run(ctx, c.Console, args)
		return status, out.String(), errs.String()
	}
}

// An operator invites a node, changes keys and the authority, and takes a node out,
// by commands alone.
func TestKeys_FromTheCommandLine(t *testing.T) {
	a, _ := launchNode(t, node.Config{Name: "sip1", Site: "dc1", Realm: "example.org", Bootstrap: true})
	file := filepath.Join(t.TempDir(), "contexts.yaml")
	do := asAdmin(t, file)
	says := func(want string, args ...string) string {
		t.Helper()
		status, out, errs := do(args...)
		if status != exitDone || !strings.Contains(out, want) {
			t.Fatalf("%s: status %d: %s%s; want %q", strings.Join(args, " "), status, out, errs, want)
		}
		return out
	}
	fails := func(want string, args ...string) {
		t.Helper()
		if status, out, errs := do(args...); status == exitDone || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d: %s%s; want %q", strings.Join(args, " "), status, out, errs, want)
		}
	}
	patience.Until(t, "the first administrator is let in", func() bool {
		status, _, _ := do("login", "--file", filepath.Join(a.DataDir, "admin.context"))
		return status == exitDone
	})
	line := says("sci_", "node", "invite", "sip2")
	invite := filepath.Join(t.TempDir(), "invite")
	if err := os.WriteFile(invite, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	says("sip2", "node", "invite", "--list")
	var made struct{ ID, Line string }
	if err := json.Unmarshal([]byte(says("sci_", "node", "invite", "-o", "json", "--expires", "1h")), &made); err != nil || made.Line == "" {
		t.Fatalf("%+v %v", made, err)
	}
	says("", "node", "invite", "--revoke", made.ID)
	fails("does not exist", "node", "invite", "--revoke", made.ID)
	b, _ := launchNode(t, node.Config{Name: "sip2", Site: "dc2", Join: []string{a.ClusterAddr}, InviteFile: invite})
	patience.Until(t, "sip2 is heard", func() bool {
		_, out, _ := do("status")
		return strings.Contains(out, "● heard")
	})
	knowsMembers(t, file, a.TCAddr, b.TCAddr)
	desk := filepath.Join(t.TempDir(), "desk.context")
	says("is in "+desk, "token", "create", "desk", "--role", "gateway", "--context-file", desk)
	for _, given := range []string{filepath.Join(a.DataDir, "admin.context"), desk} {
		file := filepath.Join(t.TempDir(), "contexts.yaml")
		if status, _, errs := asAdmin(t, file)("login", "--file", given); status != exitDone {
			t.Fatal(errs)
		}
		knowsMembers(t, file, a.TCAddr, b.TCAddr)
	}
	do = asAdmin(t, file)
	says("non-voter", "node", "set", "sip2", "--voter=false")
	says("sip2: voter", "node", "set", "sip2", "--voter=true")
	fails("no node is named", "node", "set", "sip9", "--voter=true")
	says("the next key is", "node", "rekey")
	says("sends", "keyring", "list")
	says("being replaced", "keyring", "rotate")
	says("understood", "keyring", "list")
	says(`"primary":true`, "keyring", "list", "-o", "json")
	says("(signs)", "ca", "show")
	says("BEGIN CERTIFICATE", "ca", "show", "-o", "json")
	says("-----BEGIN CERTIFICATE-----\n", "ca", "show", "--pem")
	says("sip1, sip2", "ca", "rotate")
	fails("--here is missing", "node", "distrust", "sip2")
	fails("this node itself", "node", "distrust", "sip1", "--here")
	says("refused here", "node", "distrust", "sip2", "--here")
	fails("sip9", "node", "distrust", "sip9", "--here")
}

// knowsMembers: the commands find a node of the cluster when any other one is down.
func knowsMembers(t *testing.T, file string, addrs ...string) {
	t.Helper()
	f, err := contexts.Load(file)
	if err != nil || f.Present() == nil {
		t.Fatalf("%v, contexts %+v", err, f)
	}
	for _, a := range addrs {
		if !slices.Contains(f.Present().Addresses, a) {
			t.Errorf("the context knows %v, and not %s", f.Present().Addresses, a)
		}
	}
}
