package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// A shell completes what the node knows: DNs, nodes, groups, and the words of flags.
func TestComplete(t *testing.T) {
	o, _, _, _ := callsNode(t)
	for _, c := range []struct {
		line string
		want []string
	}{
		{"dn get 10", []string{"1001", "1002"}},
		{"dn why 9", []string{"9000"}},
		{"agent ready 1002", []string{"1002"}},
		{"route list ", []string{"1001", "1002", "9000"}},
		{"node drain s", []string{"sip1"}},
		{"node drain x", nil},
		{"dn list --owner s", []string{"sip1"}},
		{"dn list --group s", []string{"sales", "support"}},
		{"dn list --state I", []string{"InSrv", "OOS"}}, // the shell chooses among them
		{"dn list -o y", []string{"table", "json", "yaml"}},
	} {
		line := strings.SplitN(c.line, " ", 3)
		words := append([]string{"__complete", line[0], line[1], "--addr", o.addr}, strings.Split(line[2], " ")...)
		_, out, _ := runCLI(t.Context(), "", words...)
		var got []string
		for l := range strings.Lines(out) {
			if l = strings.TrimSpace(l); l != "" && l[0] != ':' {
				got = append(got, l)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q is completed by %q, want %q", c.line, got, c.want)
		}
	}
	began := time.Now()
	if _, out, _ := runCLI(t.Context(), "", "__complete", "dn", "get", "--addr", "127.0.0.1:1", "1"); !strings.HasPrefix(out, ":") || time.Since(began) > patience.Limit {
		t.Errorf("without a node: %q after %v", out, time.Since(began))
	}
}

// status --check is a question that a script can ask; -o yaml is -o json for people.
func TestStatus_Check(t *testing.T) {
	o, _, _, _ := callsNode(t)
	if out := o.does("", "status", "--check", "-o", "yaml"); !strings.HasPrefix(out, "node: sip1\n") || !strings.Contains(out, "quorum: true") {
		t.Errorf("as YAML:\n%s", out)
	}
	if out := o.does("", "dn", "list", "-o", "yaml"); !strings.HasPrefix(out, "- dn: \"1001\"\n  kind: sip\n") || strings.Count(out, "- dn:") != 3 {
		t.Errorf("as YAML:\n%s", out)
	}
	if status, out, _ := runCLI(t.Context(), "", "--version"); status != exitDone || !strings.HasPrefix(out, "sipcluster ") {
		t.Errorf("--version: %d, %q", status, out)
	}
}
