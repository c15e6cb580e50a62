package nemesis

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// recorded plays a strike against nothing and returns what the history has of it.
func recorded(t *testing.T, s Strike) (history.Fault, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "h")
	record, err := history.Create(path, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	a := &Arena{Record: record, Say: t.Logf}
	played := a.Play(t.Context(), s)
	if err := record.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return h.Faults[0], played
}

func steps(confirm, healed error) Strike {
	return Strike{
		Nemesis: "test", inject: nothing, heal: nothing,
		confirm: func(context.Context) error { return confirm },
		healed:  func(context.Context) error { return healed },
	}
}

func TestPlay_RecordsEveryPhase(t *testing.T) {
	f, err := recorded(t, steps(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if at := []any{f.Inject, f.Confirmed, f.Heal, f.Healed}; f.Healed == history.Never || f.Confirmed > f.Heal || f.Inject > f.Confirmed {
		t.Errorf("phases at %v", at)
	}
}

func TestPlay_WhatTheProberDidNotSeeIsNotConfirmed(t *testing.T) {
	f, err := recorded(t, steps(errors.New("a packet went through"), nil))
	if err != nil || f.Confirmed != history.Never || f.Healed == history.Never {
		t.Errorf("confirmed at %v, healed at %v, %v", f.Confirmed, f.Healed, err)
	}
}

func TestPlay_WhatDoesNotHealEndsTheRun(t *testing.T) {
	f, err := recorded(t, steps(nil, errors.New("still cut")))
	if !errors.Is(err, ErrNotHealed) || f.Healed != history.Never {
		t.Errorf("%v, healed at %v", err, f.Healed)
	}
}

func TestArena_OpenLeavesOutWhatAnotherStrikeCuts(t *testing.T) {
	a, x, y := &Arena{}, &cluster.Node{}, &cluster.Node{}
	there, back := cluster.Way{From: x, To: y}, cluster.Way{From: y, To: x}
	one, two := Strike{ways: []cluster.Way{there}}, Strike{ways: []cluster.Way{there, back}}
	a.take(&one, 1)
	a.take(&two, 1)
	a.take(&two, 0)
	a.take(&two, -1)
	if open := a.open([]cluster.Way{there, back}); !slices.Equal(open, []cluster.Way{back}) {
		t.Errorf("%d ways are open, want only the way back", len(open))
	}
	a.take(&one, -1)
	if open := a.open([]cluster.Way{there, back}); len(open) != 2 {
		t.Errorf("%d ways are open after the end, want both", len(open))
	}
}

func TestArena_AProcessIsClaimedOnce(t *testing.T) {
	a, n := &Arena{}, &cluster.Node{}
	if err := a.claim(n); err != nil {
		t.Fatal(err)
	}
	if err := a.claim(n); !errors.Is(err, ErrBusy) {
		t.Errorf("claimed twice: %v", err)
	}
	s := Strike{nodes: []*cluster.Node{n}}
	a.take(&s, 1)
	a.take(&s, -1)
	if err := a.claim(n); err != nil {
		t.Errorf("after the strike: %v", err)
	}
}
