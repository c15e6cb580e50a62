package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestTrunksTell(t *testing.T) {
	turn := func(r *run, at float64, how string) *run {
		return r.op(at, at+0.01, history.Op{Kind: history.CarrierTurn, Node: "n1", Key: "lone-0", Arg: how})
	}
	look := func(r *run, at float64, node, result string) *run {
		return r.op(at, at+0.02, history.Op{Kind: history.TrunkLook, Node: node, Key: "lone-0", Result: result})
	}
	for name, c := range map[string]struct {
		run             *run
		found, lookedAt int
	}{
		"nobody looked":               {turn(newRun(), 1, history.SaysNothing), 0, 0},
		"silent, and said so":         {look(turn(newRun(), 1, history.SaysNothing), 9, "n2", history.Unreached), 0, 1},
		"silent, and in service":      {look(turn(newRun(), 1, history.SaysNothing), 9, "n2", history.Reached), 1, 1},
		"silent since a moment":       {look(turn(newRun(), 1, history.SaysNothing), 5, "n2", history.Reached), 0, 0},
		"closed, and in service":      {look(turn(newRun(), 1, history.NobodyListens), 9, "n1", history.Reached), 1, 1},
		"answers, and out of service": {look(turn(newRun(), 1, history.TakesNoCall), 9, "n1", history.Unreached), 1, 1},
		"answers, and in service":     {look(turn(newRun(), 1, history.TakesNoCall), 9, "n1", history.Reached), 0, 1},
		"cut from the carrier's site": {look(turn(newRun().cutOff(7, 8), 1, history.TakesNoCall), 9, "n3", history.Unreached), 0, 0},
		"changes while it is asked":   {turn(look(turn(newRun(), 1, history.SaysNothing), 9, "n2", history.Reached), 9.01, history.TakesNoCall), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			found, looked := trunksTell(newModel(&c.run.h, history.Bounds{}.WithDefaults()))
			if len(found) != c.found || looked != c.lookedAt {
				t.Errorf("found %v, looked at %d; want %d and %d", found, looked, c.found, c.lookedAt)
			}
		})
	}
}
