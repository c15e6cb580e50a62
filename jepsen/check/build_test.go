package check

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// run is a history written by hand; times are in seconds.
type run struct {
	h    history.History
	last int64
}

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func newRun() *run {
	r := &run{}
	for _, n := range []string{"n1", "n2", "n3"} {
		r.h.Nodes = append(r.h.Nodes, history.Node{Name: n})
	}
	r.h.End = at(100)
	return r
}

func (r *run) op(invoke, back float64, op history.Op) *run {
	r.last++
	op.ID, op.Invoke, op.Return = r.last, at(invoke), at(back)
	if op.Outcome == "" {
		op.Outcome = history.OK
	}
	if op.Process == "" {
		op.Process = "client-" + op.Key
	}
	r.h.Ops = append(r.h.Ops, op)
	return r
}

// registers is an acknowledged REGISTER; no lifetime when expires is 0.
func (r *run) registers(t float64, node, dn, binding string, expires float64) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.Register, Node: node, Key: dn, Arg: binding, Expires: at(expires)})
}

func (r *run) unregisters(t float64, node, dn, binding string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.Unregister, Node: node, Key: dn, Arg: binding})
}

// sees is a poll of a node's whole table.
func (r *run) sees(t float64, node string, rows ...history.Row) *run {
	r.h.Polls = append(r.h.Polls, history.Poll{Asked: at(t), Answered: at(t + 0.01), Node: node, View: history.Table, Rows: rows})
	return r
}

// allSee polls every node, again and again.
func (r *run) allSee(from, to float64, rows ...history.Row) *run {
	for t := from; t <= to; t += 0.25 {
		for _, n := range r.h.Nodes {
			r.sees(t, n.Name, rows...)
		}
	}
	return r
}

func in(dn, owner string) history.Row {
	return history.Row{DN: dn, InSrv: true, Owner: owner, Reason: "registered"}
}

func oos(dn, owner, why string) history.Row { return history.Row{DN: dn, Owner: owner, Reason: why} }

// fault is there from inject on and is healed at heal.
func (r *run) fault(inject, heal float64, nemesis string, e history.Effect) *run {
	r.last++
	r.h.Faults = append(r.h.Faults, history.Fault{
		ID: r.last, Nemesis: nemesis, Effect: e,
		Inject: at(inject), Confirmed: at(inject + 0.05), Heal: at(heal), Healed: at(heal + 0.05),
	})
	return r
}

// ways are all ordered pairs between the nodes and the others.
func ways(nodes []string, others ...string) []history.Pair {
	var out []history.Pair
	for _, a := range nodes {
		for _, b := range others {
			out = append(out, history.Pair{From: a, To: b}, history.Pair{From: b, To: a})
		}
	}
	return out
}

// cutOff separates n3.
func (r *run) cutOff(inject, heal float64) *run {
	return r.fault(inject, heal, "cut", history.Effect{Cut: ways([]string{"n3"}, "n1", "n2")})
}

func (r *run) down(inject, heal float64, nodes ...string) *run {
	return r.fault(inject, heal, "kill", history.Effect{Down: nodes})
}

// item is something that an observer of the node was told.
func (r *run) item(t float64, node string, i history.Item) *run {
	i.At, i.Node, i.Observer = at(t), node, "watch-"+node
	r.h.Items = append(r.h.Items, i)
	return r
}

// watches opens a stream with a snapshot.
func (r *run) watches(t float64, node string, incarnation, seq uint64, rows ...history.Row) *run {
	r.item(t, node, history.Item{Kind: history.Opened})
	r.item(t, node, history.Item{Kind: history.Started, Incarnation: incarnation})
	for _, row := range rows {
		r.item(t, node, history.Item{Kind: history.Event, Snapshot: true, Row: row})
	}
	return r.item(t, node, history.Item{Kind: history.EndOfSnapshot, Seq: seq})
}

func (r *run) told(t float64, node string, seq uint64, row history.Row) *run {
	return r.item(t, node, history.Item{Kind: history.Event, Seq: seq, Row: row})
}

func (r *run) beats(node string, seq uint64, times ...float64) *run {
	for _, t := range times {
		r.item(t, node, history.Item{Kind: history.Heartbeat, Seq: seq})
	}
	return r
}

func (r *run) status(t float64, s history.Status) *run {
	s.Asked, s.Answered = at(t), at(t+0.01)
	r.h.Statuses = append(r.h.Statuses, s)
	return r
}

func (r *run) dump(t float64, d history.Dump) *run {
	d.Asked, d.Answered, d.Final = at(t), at(t+0.05), true
	r.h.Dumps = append(r.h.Dumps, d)
	return r
}

// verdict judges the run by the default bounds.
func (r *run) verdict() Verdict {
	h := &r.h
	slices.SortStableFunc(h.Ops, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	slices.SortStableFunc(h.Polls, func(a, b history.Poll) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Items, func(a, b history.Item) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(h.Statuses, func(a, b history.Status) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Faults, func(a, b history.Fault) int { return cmp.Compare(a.Inject, b.Inject) })
	return All(h, history.Bounds{})
}

// broken lists the statements with findings, each once.
func broken(v Verdict) []ID {
	var out []ID
	for _, f := range v.Findings {
		if !slices.Contains(out, f.Statement) {
			out = append(out, f.Statement)
		}
	}
	return out
}

// sample is a hand-made run and the statements that it breaks.
type sample struct {
	name string
	run  *run
	want []ID
}

func expect(t *testing.T, samples []sample) {
	t.Helper()
	for _, c := range samples {
		t.Run(c.name, func(t *testing.T) {
			v := c.run.verdict()
			if got := broken(v); !slices.Equal(got, c.want) {
				t.Errorf("broken are %v, want %v", got, c.want)
				for _, f := range v.Findings {
					t.Log(f)
				}
			}
			for _, f := range v.Findings {
				if f.Text == "" || len(f.Events) == 0 || f.Window.empty() {
					t.Errorf("a finding without words or window: %+v", f)
				}
			}
		})
	}
}
