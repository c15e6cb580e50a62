package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
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
	clienttest.Same(t, got, "a env example.org [192.0.2.1:7002 192.0.2.2:7002] 2s :7001 false")
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
		if key, err := s.clusterKey(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%q gave a key of %d bytes, %v", text, len(key), err)
		}
	}
}
