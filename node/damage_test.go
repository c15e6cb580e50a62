package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/api/configpb"
)

func noDamage() *damage { return &damage{log: slog.New(slog.DiscardHandler)} }

// ruined are what may have become of a file.
var ruined = map[string]func(path string, b []byte) error{
	"cut":    func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)*2/5], 0o600) },
	"zeroes": func(path string, b []byte) error { return os.WriteFile(path, make([]byte, len(b)), 0o600) },
	"rubbish": func(path string, b []byte) error {
		return os.WriteFile(path, []byte(strings.Repeat("{rubbish\n", 1+len(b)/9)), 0o600)
	},
	"empty": func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
}

// ruins are those that a run tries: with the race detector one, since it is about races.
func ruins() map[string]func(path string, b []byte) error {
	if testing.Short() {
		return map[string]func(path string, b []byte) error{"rubbish": ruined["rubbish"]}
	}
	return ruined
}

// ruin damages the files of that pattern in a node's data directory.
func ruin(t *testing.T, dir, pattern string, how func(path string, b []byte) error) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err == nil {
			err = how(path, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// vote waits until all these vote, and each knows it.
func vote(t *testing.T, all ...*member) {
	t.Helper()
	for _, m := range all {
		await(t, m.cfg.Name+" knows who votes", func() bool {
			voters := 0
			for _, votes := range m.group.Suffrages() {
				if votes {
					voters++
				}
			}
			return voters == len(all)
		})
	}
}

// Whatever file of a node is damaged, the node starts and serves phones, and its
// configuration comes back by itself.
func TestNode_StartsWithAnyOfItsFilesDamaged(t *testing.T) {
	for _, pattern := range []string{"raft/raft.db", "config.db", "agents/agents.db", "location/location.journal.*", "node.json", "deny-tokens.json"} {
		for name, how := range ruins() {
			t.Run(strings.ReplaceAll(pattern, "/", "-")+" "+name, func(t *testing.T) {
				a, b := twoNodes(t, nil)
				all := []*member{a, b}
				if pattern == "raft/raft.db" { // who has no log votes for nobody: it takes two others to lead
					all = append(all, run(t, config(t, "n3", func(c *Config) { c.Join = []string{a.cfg.ClusterAddr} })))
					vote(t, all...)
				}
				a.write(t, all, phoneDN("1001"))
				b.phone(t, "1001")
				if pattern == "deny-tokens.json" {
					if err := b.denied.add("t1", nil)(); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.stop(); err != nil {
					t.Fatal(err)
				}
				ruin(t, b.cfg.DataDir, pattern, how)
				b = run(t, b.cfg)
				await(t, "the configuration is back", func() bool { return b.machine.View().DN("1001") != nil })
				b.phone(t, "1001")
				b.says(t, "1001", "IN_SRV n2@site-n2")
				await(t, "the configuration can be changed again", func() bool {
					_, err := configpb.NewConfigurationClient(b.tc).Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{phoneDN("1002")}})
					return err == nil
				})
				await(t, "both have it", func() bool { return a.machine.View().DN("1002") != nil && b.machine.View().DN("1002") != nil })
			})
		}
	}
}

// A configuration that is found damaged while it is read lets no phone in before the node
// runs, nor does the copy that takes its place: it may lack DNs.
func TestNode_ServesNoPhonesByADamagedConfiguration(t *testing.T) {
	a, b := twoNodes(t, nil)
	a.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.cfg.DataDir, configFile)
	damage := func() {
		db, err := bolt.Open(path, 0o600, nil)
		if err == nil {
			err = errors.Join(db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("dn")).Put([]byte("1002"), []byte("\xff\xff")) }), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b = bind(t, b.cfg)
	if !b.servesEarly(t) {
		t.Fatal("a sound configuration lets no phone in")
	}
	for _, found := range []string{"while it is read", "when it was opened"} {
		if found == "while it is read" {
			if err := b.machine.Close(); err != nil {
				t.Fatal(err)
			}
			damage()
			if err := b.openMachine(); err != nil {
				t.Fatal(err)
			}
		}
		if b.servesEarly(t) {
			t.Errorf("a configuration whose damage was found %s lets phones in", found)
		}
	}
}

// The same of what a node is known by. With another key it serves its phones alone, and
// the advice that it gives has it let in again.
func TestNode_StartsWithItsIdentityDamaged(t *testing.T) {
	all := threeSecured(t)
	b := all[1]
	for _, pattern := range []string{"node.crt", "trust", "deny.json", "node.key"} {
		for name, how := range ruins() {
			if pattern == "node.key" && name != "rubbish" {
				continue // it is another node afterwards
			}
			t.Log(pattern, name)
			if pattern == "deny.json" {
				if err := b.who.Distrust("nobody", "nobody"); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.stop(); err != nil {
				t.Fatal(err)
			}
			ruin(t, b.cfg.DataDir, pattern, how)
			b = run(t, b.cfg)
			if pattern != "node.key" {
				await(t, "it is heard", func() bool { return b.heard(all[0]) && all[0].heard(b) })
			}
		}
	}
	var advice []string
	for _, p := range b.problems.List() {
		if p.Code == "file-damaged" {
			advice = append(advice, p.Advice)
		}
	}
	if len(advice) != 1 || !strings.Contains(advice[0], "sipcluster node invite n2 > n2.invite") {
		t.Errorf("advice %q", advice)
	}
}
