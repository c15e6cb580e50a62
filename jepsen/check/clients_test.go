package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestClientsAuthority(t *testing.T) {
	claim := func(r *run, at float64, o history.Outcome) *run {
		return r.op(at, at+0.1, history.Op{Kind: history.Claim, Node: "n1", From: history.StolenFiles + "n2", Key: "ask for a vote as n3", Outcome: o})
	}
	count := func(r *run, at float64, strangers uint64) *run {
		known := uint64(0)
		return r.status(at, history.Status{Node: "n1", Refused: &known, Strangers: &strangers})
	}
	for name, c := range map[string]struct {
		run             *run
		found, lookedAt int
	}{
		"nobody tried":               {newRun(), 0, 0},
		"refused and counted":        {count(claim(count(newRun(), 1, 4), 2, history.Fail), 3, 5), 0, 1},
		"refused, nobody counted it": {count(claim(count(newRun(), 1, 4), 2, history.Fail), 3, 4), 1, 1},
		"taken":                      {claim(newRun(), 2, history.OK), 1, 1},
		"not reached":                {claim(newRun(), 2, history.Unknown), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			found, looked := clientsAuthority(newModel(&c.run.h, history.Bounds{}.WithDefaults()))
			if len(found) != c.found || looked != c.lookedAt {
				t.Errorf("found %v, looked at %d; want %d and %d", found, looked, c.found, c.lookedAt)
			}
		})
	}
}
