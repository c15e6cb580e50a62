package consensus

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damages are what may have become of a file.
var damages = map[string]func(path string, b []byte) error{
	"cut":      func(path string, b []byte) error { return os.Truncate(path, int64(len(b)/3)) },
	"one page": func(path string, _ []byte) error { return os.Truncate(path, 9000) },
	"zeroes":   func(path string, b []byte) error { return os.WriteFile(path, make([]byte, len(b)), 0o600) },
	"empty":    func(path string, _ []byte) error { return os.Truncate(path, 0) },
	"text": func(path string, _ []byte) error {
		return os.WriteFile(path, []byte(strings.Repeat("no database\n", 1000)), 0o600)
	},
	"bits":      flipped,
	"missing":   func(path string, _ []byte) error { return os.Remove(path) },
	"directory": func(path string, _ []byte) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
}

// flipped has some bits of each page turned, that of the roots among them.
func flipped(path string, b []byte) error {
	r := rand.New(rand.NewPCG(1, 2))
	for page := 0; page < len(b); page += 4096 {
		for range 40 {
			b[min(page+r.IntN(4096), len(b)-1)] ^= 1 << r.IntN(8)
		}
	}
	return os.WriteFile(path, b, 0o600)
}

// Whatever became of a node's log, the node starts, with the configuration that it has,
// and takes part again once the leader has taken it in anew; nothing that was
// acknowledged is lost, although it has forgotten for whom it voted.
func TestGroup_ANodeWhoseLogIsDamagedComesBack(t *testing.T) {
	for name, damage := range damages {
		if testing.Short() && name != "bits" && name != "missing" {
			continue // with the race detector, which is about races, two
		}
		t.Run(name, func(t *testing.T) {
			c, n := threeOf(t, nil)
			victim := n[2]
			n[0].write(1)
			c.equal(n[:]...)
			victim.kill()
			path := filepath.Join(victim.dir, "raft", "raft.db")
			b, err := os.ReadFile(path)
			if err == nil {
				err = damage(path, b)
			}
			if err != nil {
				t.Fatal(err)
			}
			n[0].write(2)
			victim.returns()
			if victim.machine.View().DN("1") == nil || victim.group.Lost() == nil {
				t.Fatalf("it starts without its configuration, or says nothing: %+v", victim.group.Lost())
			}
			c.waitFor("its return", func() bool { return victim.group.Err() == nil && !victim.group.Lost().Waits })
			victim.write(3)
			c.equal(n[:]...)
			c.waitFor("its vote", func() bool { return n[0].voters() == 3 && n[1].voters() == 3 && victim.voters() == 3 })
			n[0].kill()
			if c.leader(n[1], n[2]) == nil {
				t.Error("the two that are left elect nobody")
			}
			victim.write(4)
		})
	}
}

// Nobody is there who could take it in: the node serves what it has, and says what it
// waits for.
func TestGroup_ALostLogWithoutALeaderParksThePlane(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	a.bootstrap()
	a.write(1)
	a.kill()
	if err := os.RemoveAll(filepath.Join(a.dir, "raft")); err != nil {
		t.Fatal(err)
	}
	a.returns()
	if s := a.group.Status(); s.State != "failed" || s.Quorum || a.machine.View().DN("1") == nil {
		t.Errorf("%+v", s)
	}
	if _, err := a.group.Propose(t.Context(), proposal(phone("2"))); !errors.Is(err, ErrFailed) {
		t.Errorf("a write: %v", err)
	}
	if err := a.group.ReadIndex(t.Context()); !errors.Is(err, ErrFailed) {
		t.Errorf("a read of all: %v", err)
	}
	// The node asks all the time, also for what only a log can tell.
	a.group.Stand()
	a.group.Moved()
	if voters, err := a.group.Voters(t.Context()); !errors.Is(err, ErrFailed) || a.group.LastLog() != 0 || a.group.Suffrages() != nil || a.group.Differing() != nil {
		t.Errorf("voters %v, %v, log up to %d, suffrages %v", voters, err, a.group.LastLog(), a.group.Suffrages())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.group.HandOver(ended); err == nil {
		t.Error("it has handed over a lead that it does not have")
	}
	a.group.Disconnect()
}
