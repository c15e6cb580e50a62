package fsm_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func request(id string, ms ...*configpb.Mutation) *peerpb.Command {
	c := command(ms...)
	c.RequestId = id
	return c
}

// asked are requests with every sort of outcome, by id.
func asked() map[string]*peerpb.Command {
	newer := request("newer")
	newer.Version = fsm.Version + 1
	return map[string]*peerpb.Command{
		"newer":     newer,
		"applied":   request("applied", put(objects()["pstn"]), put(&configpb.AgentGroup{Name: "made"})),
		"invalid":   request("invalid", put(objects()["pstn"]), &configpb.Mutation{}),
		"not found": request("not found", deleteDN("404")),
		"revision":  request("revision", put(objects()["pstn"]), put(objects()["pstn"]), at(1, deleteDN("1001"))),
		"conflict":  request("conflict", deleteGroup("g")),
		"taken":     request("taken", node(func(n *configpb.Node) { n.Id, n.Name = "id-n", "a" })),
	}
}

// A request that is repeated, whatever became of it, is answered as it was and
// changes nothing: here, after a restart, after a snapshot, and after others
// under other ids undid what it did.
func TestRequest_RepeatedIsAnsweredTheSame(t *testing.T) {
	m := furnished(t)
	first := map[string]fsm.Result{}
	for _, id := range slices.Sorted(maps.Keys(asked())) {
		first[id] = result(t, m, asked()[id])
	}
	apply(t, m, command(deleteDN("2001"), deleteGroup("made")))
	for how, m := range copies(t, m) {
		if how == "itself" || how == "restored" {
			continue // closed by now
		}
		for id, c := range asked() {
			again := result(t, m, c)
			if again.Index != first[id].Index || fmt.Sprint(again.Err) != fmt.Sprint(first[id].Err) {
				t.Errorf("%s: %s: %+v, the first time %+v", how, id, again, first[id])
			}
			var a, b *fsm.Rejection
			if errors.As(first[id].Err, &a) && (!errors.As(again.Err, &b) || *a != *b) {
				t.Errorf("%s: %s: %#v, the first time %#v", how, id, again.Err, first[id].Err)
			}
		}
		if v := m.View(); v.DN("2001") != nil || v.Group("made") != nil || v.Node("id-n") != nil {
			t.Errorf("%s: a repeated request was applied again", how)
		}
	}
	if errors.Is(first["applied"].Err, fsm.ErrInvalid) || first["newer"].Err == nil {
		t.Fatal(first)
	}
}

// The outcomes of exactly the last Remembered requests are known, also behind
// a restart and a snapshot; a repetition takes no place.
func TestRequest_ExactlyTheLastOnesAreRemembered(t *testing.T) {
	m := furnished(t)
	next := m.View().Index() + 1
	var logs []*raft.Log
	add := func(c *peerpb.Command) {
		logs = append(logs, entry(t, next, c))
		next++
	}
	id := func(i int) string { return fmt.Sprint("r", i) }
	for i := range fsm.Remembered {
		add(request(id(i), deleteDN("404")))
		add(request(id(0), deleteDN("404"))) // still known: it is the oldest one
	}
	add(request(id(fsm.Remembered), deleteDN("404"))) // now r0 has to go
	m.ApplyBatch(logs)
	first := func(i int) uint64 { return 3 + 2*uint64(i) }
	for how, m := range copies(t, m) {
		if how == "itself" || how == "restored" {
			continue
		}
		for _, i := range []int{1, 2, fsm.Remembered - 1, fsm.Remembered} {
			if got := result(t, m, request(id(i), deleteDN("404"))); got.Index != first(i) || !errors.Is(got.Err, fsm.ErrNotFound) {
				t.Errorf("%s: request %d: %+v, want index %d", how, i, got, first(i))
			}
		}
		if got := result(t, m, request(id(0), put(objects()["pstn"]))); got.Err != nil || got.Index != m.View().Index() || m.View().DN("2001") == nil {
			t.Errorf("%s: a forgotten request: %+v", how, got)
		}
		if got := result(t, m, request(id(1), put(objects()["pstn"]))); got.Err != nil || got.Index != m.View().Index() {
			t.Errorf("%s: the next oldest one was not forgotten for it: %+v", how, got)
		}
		if got := result(t, m, request(id(3), deleteDN("404"))); got.Index != first(3) {
			t.Errorf("%s: request 3: %+v", how, got)
		}
	}
}

// Within one batch, too, and not across a new epoch.
func TestRequest_RepeatedWithinABatchAndInANewEpoch(t *testing.T) {
	m := furnished(t)
	r := m.ApplyBatch([]*raft.Log{
		entry(t, 3, request("x", put(objects()["pstn"]))), entry(t, 4, command(deleteDN("2001"))), entry(t, 5, request("x", put(objects()["pstn"]))),
	})
	if r[2] != (fsm.Result{Index: 3}) || m.View().DN("2001") != nil || m.View().Index() != 5 {
		t.Fatal(r)
	}
	w := m.Watch()
	defer w.Close()
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := begin()
	c.RequestId, c.NewEpoch = "x", "e2"
	defer func() {
		if c := told(t, m, w); !c.All {
			t.Errorf("of a new epoch was told only %+v", c)
		}
	}()
	if got := result(t, m, c); got.Err != nil || got.Index != 6 || m.View().Epoch() != "e2" || m.View().DN("1001") != nil {
		t.Fatalf("a new epoch under a known id: %+v", got)
	}
	if got := result(t, m, request("x", put(objects()["pstn"]))); got.Index != 6 || m.View().DN("2001") != nil {
		t.Fatalf("the epoch's own id is not remembered: %+v", got)
	}
}

// A request id that was given to another content is refused, whatever became of the
// first, and does nothing: here, after a restart and after a snapshot. The first one's
// outcome stays.
func TestRequest_AnotherContentUnderAKnownIDIsRefused(t *testing.T) {
	m := furnished(t)
	first := map[string]fsm.Result{"a": result(t, m, request("a", put(objects()["pstn"]))), "b": result(t, m, request("b", deleteDN("404")))}
	for how, m := range copies(t, m) {
		if how == "itself" || how == "restored" {
			continue
		}
		for id, was := range first {
			got := result(t, m, request(id, deleteDN("1001")))
			var r *fsm.Rejection
			if !errors.Is(got.Err, fsm.ErrReused) || !errors.As(got.Err, &r) || r.Mutation != 0 || m.View().DN("1001") == nil {
				t.Errorf("%s: %s: %+v", how, id, got)
			}
			if kept := result(t, m, map[string]*peerpb.Command{"a": request("a", put(objects()["pstn"])), "b": request("b", deleteDN("404"))}[id]); fmt.Sprint(kept) != fmt.Sprint(was) {
				t.Errorf("%s: %s: %+v, the first time %+v", how, id, kept, was)
			}
		}
	}
}

// An id of the greatest length is remembered; commands without one are never
// taken for each other.
func TestRequest_IDs(t *testing.T) {
	m := furnished(t)
	id := string(make([]byte, fsm.MaxRequestID))
	i := apply(t, m, request(id, put(objects()["pstn"])))
	if got := apply(t, m, request(id, put(objects()["pstn"]))); got != i {
		t.Errorf("index %d, want %d", got, i)
	}
	if a, b := apply(t, m, command(deleteDN("2001"))), apply(t, m, command(put(objects()["pstn"]))); b != a+1 || m.View().DN("2001") == nil {
		t.Error(a, b)
	}
	c := start(t)
	for i := range uint64(2) {
		if got := result(t, c, request("early", deleteDN("404"))); !errors.Is(got.Err, fsm.ErrConflict) || got.Index != i+1 {
			t.Fatalf("before the first epoch: %+v", got)
		}
	}
	apply(t, c, begin())
	if got := result(t, c, request("early", put(objects()["pstn"]))); got.Err != nil || got.Index != 4 {
		t.Errorf("what was refused before the first epoch is remembered: %+v", got)
	}
}
