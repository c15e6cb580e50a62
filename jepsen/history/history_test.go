package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func create(t *testing.T) (string, *history.Recorder) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r, err := history.Create(path, history.Header{Scenario: "cut", Seed: 7, Nodes: []history.Node{{Name: "n1"}, {Name: "n2"}}})
	if err != nil {
		t.Fatal(err)
	}
	return path, r
}

func TestRecorder_WhatIsWrittenIsReadBack(t *testing.T) {
	path, r := create(t)
	op := r.Invoke(history.Op{Process: "phone-1", Kind: history.Register, Node: "n1", Key: "2001", Arg: "b1", Expires: time.Minute})
	open := r.Invoke(history.Op{Process: "phone-2", Kind: history.Register, Node: "n1", Key: "2002"})
	op.Outcome, op.Code = history.OK, "200"
	op = r.Return(op)
	rows := []history.Row{{DN: "2002"}, {DN: "2001", InSrv: true, Owner: "n1"}}
	r.Poll(history.Poll{Asked: r.Now(), Node: "n2", View: history.Table, Rows: rows})
	r.Poll(history.Poll{Asked: r.Now(), Node: "n2", View: history.Table, Error: "unavailable"})
	r.Poll(history.Poll{Asked: r.Now(), Node: "n2", View: history.Table, Rows: slices.Clone(rows)})
	r.Item(history.Item{Observer: "o", Node: "n1", Kind: history.Event, Stream: 1, Seq: 3, Row: rows[0]})
	r.Status(history.Status{Asked: r.Now(), Node: "n1", State: "leader", Term: 2})
	r.Sums(history.Sums{Asked: r.Now(), Node: "n1", Differs: "one"})
	r.Dump(history.Dump{Asked: r.Now(), Node: "n1", Index: 4, Entries: []history.Entry{{Key: "a", Value: "1"}}})
	r.Life(history.Life{Node: "n1", Kind: history.Killed})
	r.Note("quiet")
	fault := r.Inject(history.Fault{Nemesis: "cut", Effect: history.Effect{Cut: []history.Pair{{From: "n1", To: "n2"}}}})
	for _, p := range []history.Phase{history.Confirmed, history.Heal, history.Healed} {
		r.Phase(fault, p)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	h, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	open.Outcome = history.Unknown
	if !reflect.DeepEqual(h.Ops, []history.Op{op, open}) {
		t.Errorf("operations are %+v, want %+v and %+v", h.Ops, op, open)
	}
	if len(h.Polls) != 3 || h.Polls[1].Rows != nil || !slices.Equal(h.Polls[2].Rows, h.Polls[0].Rows) || h.Polls[0].Rows[0].DN != "2001" {
		t.Errorf("polls are %+v", h.Polls)
	}
	if f := h.Faults[0]; !slices.IsSorted([]time.Duration{f.Inject, f.Confirmed, f.Heal, f.Healed}) || f.Healed == history.Never || len(f.Effect.Cut) != 1 {
		t.Errorf("the fault is %+v", f)
	}
	if got := []int{len(h.Items), len(h.Statuses), len(h.Dumps), len(h.Lives), len(h.Notes), len(h.Sums)}; !slices.Equal(got, []int{1, 1, 1, 1, 1, 1}) {
		t.Errorf("numbers of items, statuses, dumps, lives, notes, sums are %v", got)
	}
	if h.Seed != 7 || h.Bounds.Converge != 2*time.Second || h.Torn || h.End == 0 {
		t.Errorf("header %+v, torn %v, end %v", h.Header, h.Torn, h.End)
	}
}

func TestRecorder_ServesManyGoroutines(t *testing.T) {
	path, r := create(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				op := r.Invoke(history.Op{Process: fmt.Sprint(i), Kind: history.Options, Key: fmt.Sprint(j)})
				op.Outcome = history.OK
				r.Return(op)
				r.Poll(history.Poll{Asked: op.Invoke, Node: fmt.Sprint(i % 2), View: history.Routable, Rows: []history.Row{{DN: fmt.Sprint(j / 10)}}})
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Ops) != 800 || len(h.Polls) != 800 {
		t.Errorf("%d operations and %d polls, want 800 of each", len(h.Ops), len(h.Polls))
	}
}

func TestReadFrom_AFileWhoseEndWasLost(t *testing.T) {
	path, r := create(t)
	r.Invoke(history.Op{Process: "p", Kind: history.Read, Key: "a"})
	r.Note("the last one")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.ReadFrom(bytes.NewReader(whole[:len(whole)-5]))
	if err != nil || !h.Torn || len(h.Ops) != 1 || len(h.Notes) != 0 {
		t.Errorf("history %+v, error %v; want torn, one operation, no note", h, err)
	}
}

func TestReadFrom_RefusesWhatIsNoHistory(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                "",
		"no JSON":              "hello\n",
		"broken line inside":   "{\"version\":1}\n{\"at\":1,\"no\n{\"at\":2,\"note\":{\"text\":\"a\"}}\n",
		"return alone":         "{\"version\":1}\n{\"at\":1,\"return\":{\"id\":1}}\n",
		"phase of no fault":    "{\"version\":1}\n{\"at\":1,\"fault\":{\"phase\":\"heal\",\"id\":1}}\n",
		"repeat of no poll":    "{\"version\":1}\n{\"at\":1,\"poll\":{\"node\":\"a\",\"same\":true}}\n",
		"entry without a kind": "{\"version\":1}\n{\"at\":1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := history.ReadFrom(strings.NewReader(text)); err == nil {
				t.Error("it was read")
			}
		})
	}
	if _, err := history.ReadFrom(strings.NewReader("{\"version\":99}\n")); !errors.Is(err, history.ErrVersion) {
		t.Errorf("version 99: %v, want %v", err, history.ErrVersion)
	}
}
