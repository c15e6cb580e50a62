package statistics

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestStateOf: what each agent does, and that Ready is who a call can be sent to.
func TestStateOf(t *testing.T) {
	now := time.Now().UnixNano()
	ready, notReady, loggedOut := &dn.Agent{ID: "7", State: dn.Ready}, &dn.Agent{ID: "7", State: dn.NotReady, Reasons: []dn.KeyValue{{Key: "code", Value: "lunch"}}}, &dn.Agent{ID: "7"}
	wrap := &dn.Agent{ID: "7", State: dn.NotReady, Mode: 3}
	elsewhere := &dn.Agent{ID: "7", Reasons: []dn.KeyValue{{Key: dn.LoginDN, Value: "1003"}, {Key: dn.LoginReason, Value: dn.LoggedInElsewhere}}}
	f := newFloor(t)
	f.write(phone("1001", "sales"), phone("1002", "desk"))
	for _, c := range []struct {
		s      dn.Status
		desk   bool
		talks  bool
		want   State
		reason string
	}{
		{s: dn.Status{}, want: OutOfService},
		{s: dn.Status{State: dn.InSrv}, want: Ready},
		{s: dn.Status{State: dn.InSrv}, desk: true, want: LoggedOut},
		{s: dn.Status{State: dn.InSrv, Agent: loggedOut}, desk: true, want: LoggedOut},
		{s: dn.Status{State: dn.InSrv, Agent: loggedOut}, want: Ready},
		{s: dn.Status{State: dn.InSrv, Agent: elsewhere}, want: LoggedOut},
		{s: dn.Status{State: dn.InSrv, Agent: ready}, desk: true, want: Ready},
		{s: dn.Status{State: dn.InSrv, Agent: notReady}, want: NotReady, reason: "lunch"},
		{s: dn.Status{State: dn.InSrv, Agent: &dn.Agent{ID: "7", State: dn.LoggedIn}}, want: NotReady},
		{s: dn.Status{State: dn.InSrv, Agent: wrap}, want: WrapUp},
		{s: dn.Status{State: dn.InSrv, Agent: wrap, Busy: true}, talks: true, want: Busy},
		{s: dn.Status{State: dn.InSrv, Agent: ready, Busy: true}, want: Ringing},
		{s: dn.Status{State: dn.InSrv, Agent: ready, Reserved: true, ReservedUntil: now}, want: Reserved},
		{s: dn.Status{State: dn.InSrv, Agent: ready, Reason: dn.Unresponsive}, want: Unresponsive},
		{s: dn.Status{State: dn.InSrv, Agent: ready, DoNotDisturb: true}, want: NotReady, reason: "do-not-disturb"},
		{s: dn.Status{State: dn.InSrv, CoolUntil: now}, want: NotReady, reason: "no-answer"},
		{s: dn.Status{State: dn.InSrv, Agent: notReady, Reason: dn.Unresponsive}, want: NotReady, reason: "lunch"},
	} {
		view := f.machine.View()
		d := view.DN(map[bool]string{true: "1002", false: "1001"}[c.desk])
		got, reason := stateOf(&c.s, d, view.LoginRequired(d), c.talks)
		if got != c.want || reason != c.reason {
			t.Errorf("%+v: %v %q, want %v %q", c.s, got, reason, c.want, c.reason)
		}
		if routable := agent.Unavailable(&c.s, d, view) == nil; routable != (got == Ready) {
			t.Errorf("%+v: %v, and a call can be sent there: %v", c.s, got, routable)
		}
	}
}

// TestFold_ACallThroughItsStates: what is said of a group while a call waits, rings, is
// answered and over.
func TestFold_ACallThroughItsStates(t *testing.T) {
	f := newFloor(t)
	f.write(phone("1001", "sales"), phone("1002", "sales"))
	f.table.Register("1001", dn.Registered)
	f.says(dn.Record{Number: "1002", ClaimTime: 5, State: dn.InSrv, Reason: dn.Registered, Since: 1})
	want := func(step string, here, there State, waiting int) {
		t.Helper()
		m := byKey(f.rows())
		for _, g := range []string{"", "sales"} {
			a, b := m[key{g, "dc1"}], m[key{g, "dc2"}]
			if there == OutOfService {
				b = m[key{g, ""}]
			}
			if a.Agents[here] != 1 || b.Agents[there] != 1 || a.Waiting != waiting || (a.Oldest > 0) != (waiting > 0) {
				t.Errorf("%s: group %q: %+v %+v", step, g, a, b)
			}
		}
	}
	want("at first", Ready, Ready, 0)
	id, err := f.calls.Begin(call.Info{Caller: "gw1", Type: call.Inbound, ANI: "+1"})
	if err != nil {
		t.Fatal(err)
	}
	f.calls.Waits(id, "9001", "sales")
	want("waits", Ready, Ready, 1)
	list, err := f.fold.Waiting(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].RP != "9001" || list[0].ANI != "+1" || list[0].Site != "dc1" {
		t.Errorf("%+v %v", list, err)
	}
	f.calls.Left(id, "1002", 0)
	f.calls.Ringing(id, "1002", "")
	f.uses("1002")
	want("rings", Ready, Ringing, 0)
	f.calls.Established(id, "1002")
	want("talks", Ready, Busy, 0)
	f.table.SetHeard("b", false)
	want("its node is lost", Ready, OutOfService, 0)
	f.table.SetHeard("b", true)
	want("and heard again", Ready, Busy, 0)
	f.calls.End(id, 0, false)
	f.uses("1002")
	want("is over", Ready, Ready, 0)
}

// TestFold_IsWhatTheTablesSay: whatever happens, and however far the fold has fallen behind,
// its sums are those of a fold that begins now.
// TestFold_AUseThatNobodyTellsOf begins and ends between two looks of who tells of uses; the
// end of its call is told while the DN is busy yet.
func TestFold_AUseThatNobodyTellsOf(t *testing.T) {
	f := newFloor(t)
	f.write(phone("1001", "sales"))
	n := dn.Number("1001")
	f.table.Register(n, dn.Registered)
	free := f.rows()
	for range 2 {
		f.sticks.Store(&n)
		id, err := f.calls.Begin(call.Info{Caller: "9"})
		if err != nil || !f.calls.Ringing(id, n, "a") || !f.calls.End(id, 487, true) {
			t.Fatal(err)
		}
		for range 2 {
			if got := f.rows(); reflect.DeepEqual(got, free) {
				t.Fatalf("it is not busy: %+v", got)
			}
		}
		f.sticks.Store(nil)
		f.uses(n)
		if got := f.rows(); !reflect.DeepEqual(got, free) {
			t.Errorf("it is counted as %+v, and was %+v", got, free)
		}
	}
	if len(f.fold.passing) != 0 {
		t.Errorf("%v are looked at again", f.fold.passing)
	}
}

func TestFold_IsWhatTheTablesSay(t *testing.T) {
	runs := uint64(40)
	if testing.Short() {
		runs = 5
	}
	for seed := range runs {
		f, r := newFloor(t), rand.New(rand.NewPCG(seed, 1))
		var calls []call.ID
		claim := int64(1e18)
		for i := range 400 {
			n := dn.Number(fmt.Sprint(1000 + r.IntN(12)))
			what := r.IntN(15)
			switch what {
			case 0:
				f.write(phone(string(n), [][]string{nil, {"sales"}, {"desk"}, {"sales", "desk"}}[r.IntN(4)]...))
			case 1:
				if f.machine.View().DN(string(n)) != nil && r.IntN(3) == 0 {
					f.write(&configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: string(n)}})
				}
			case 2:
				f.table.Register(n, dn.Registered)
			case 3:
				if own, ok := f.table.Own(n); ok {
					f.table.End(n, own.ClaimTime, dn.Unregistered)
				}
			case 4, 5:
				claim += int64(r.IntN(1e6))
				rec := dn.Record{Number: n, ClaimTime: claim, State: dn.State(r.IntN(2)), Reason: dn.Registered, Since: 1, Gone: r.IntN(9) == 0}
				if r.IntN(2) == 0 {
					rec.Agent = &dn.Agent{ID: "7", State: dn.AgentState(r.IntN(4)), Mode: dn.WorkMode(r.IntN(6)), Since: 1, Reasons: []dn.KeyValue{{Key: "k", Value: fmt.Sprint(r.IntN(3))}}}
				}
				if r.IntN(3) == 0 {
					rec.Reserved = dn.Reservation{Holder: "router", Left: r.Int64N(20e9)}
				}
				if r.IntN(4) == 0 {
					rec.CoolLeft = r.Int64N(20e9)
				}
				f.says(rec)
			case 14: // what holds for a time ends, and nobody says so
				f.later.Add(r.Int64N(10e9))
			case 6:
				f.table.SetHeard("b", r.IntN(2) == 0)
			case 7:
				if id, err := f.calls.Begin(call.Info{Caller: "gw1", Type: call.Inbound}); err == nil {
					calls = append(calls, id)
				}
			case 8:
				f.write(node("b", "n2", []string{"dc2", "dc3"}[r.IntN(2)]))
			default:
				if len(calls) == 0 {
					continue
				}
				id := calls[r.IntN(len(calls))]
				switch r.IntN(6) {
				case 0:
					f.calls.Waits(id, "9001", []string{"", "sales", "desk"}[r.IntN(3)])
				case 1:
					f.calls.Left(id, "", 480)
				case 2:
					f.calls.Ringing(id, n, "")
				case 3:
					f.calls.Established(id, n)
				case 4:
					f.calls.Released(id, n, 486)
				case 5:
					f.calls.End(id, 0, false)
				}
				for i := range 12 {
					f.uses(dn.Number(fmt.Sprint(1000 + i)))
				}
			}
			if i%100 == 99 || what == 14 && i%4 == 0 {
				var have, want []Row
				patience.Until(t, fmt.Sprintf("seed %d: the sums", seed), func() bool {
					have, want = f.rows(), f.afresh()
					return reflect.DeepEqual(have, want)
				})
			}
		}
	}
}

// TestFold_WhoFellBehindForgetsWhatIsGone: DNs that are nobody's any more and calls that are
// over, more of them than a table remembers, while the fold stood still.
func TestFold_WhoFellBehindForgetsWhatIsGone(t *testing.T) {
	const many = 500 // a table remembers 64
	number := func(i int) dn.Number { return dn.Number(fmt.Sprint(1000 + i)) }
	for what, c := range map[string]struct {
		is, ends func(f *floor, i int)
	}{
		"DNs": {
			is: func(f *floor, i int) {
				f.says(dn.Record{Number: number(i), ClaimTime: 5, State: dn.InSrv, Reason: dn.Registered, Since: 1})
			},
			ends: func(f *floor, i int) { f.says(dn.Record{Number: number(i), ClaimTime: 5, Gone: true}) },
		},
		"calls": {
			is: func(f *floor, _ int) {
				id, err := f.calls.Begin(call.Info{Caller: "gw1", Type: call.Inbound})
				if err != nil {
					f.t.Fatal(err)
				}
				f.calls.Waits(id, "9001", "sales")
			},
			ends: func(f *floor, _ int) { f.calls.End(f.calls.Up()[0].ID, 0, false) },
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFloor(t)
			phones := make([]*configpb.Mutation, many)
			for i := range phones {
				phones[i] = phone(string(number(i)), "sales")
			}
			f.write(phones...)
			for i := range many {
				c.is(f, i)
			}
			have := f.rows()
			if !reflect.DeepEqual(have, f.afresh()) {
				t.Fatalf("before: %v", have)
			}
			f.fold.mu.Lock() // it reads a few more changes, and stands
			for i := range many {
				c.ends(f, i)
			}
			f.fold.mu.Unlock()
			if have, want := f.rows(), f.afresh(); !reflect.DeepEqual(have, want) {
				t.Errorf("%v, want %v", have, want)
			}
		})
	}
}

// TestChanged_LeadsFromOneVersionToTheNext: who puts the rows of the changed groups in the
// place of those that he had has what Rows says.
func TestChanged_LeadsFromOneVersionToTheNext(t *testing.T) {
	f := newFloor(t)
	f.write(phone("1001", "sales"), phone("1002", "desk"))
	rows, at, err := f.fold.Rows(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string][]Row{}
	for _, r := range rows {
		have[r.Group] = append(have[r.Group], r)
	}
	for step, do := range []func(){
		func() { f.table.Register("1001", dn.Registered) },
		func() { f.write(phone("1001", "desk")) },
		func() { f.write(&configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: "1002"}}) },
		func() {},
	} {
		do()
		patience.Until(t, "the sums", func() bool { return reflect.DeepEqual(f.rows(), f.afresh()) })
		groups, changed, now := f.fold.Changed(at, all)
		if at = now; (len(groups) == 0) != (step == 3) {
			t.Errorf("step %d: changed %q", step, groups)
		}
		for _, g := range groups {
			delete(have, g)
		}
		for _, r := range changed {
			have[r.Group] = append(have[r.Group], r)
		}
		want := map[string][]Row{}
		for _, r := range f.rows() {
			want[r.Group] = append(want[r.Group], r)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("step %d: have %v, want %v", step, have, want)
		}
	}
}

// TestFold_IsNotLateForWhoAsks: changes that nobody waits for are left to gather; who asks
// has all of them at once.
func TestFold_IsNotLateForWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t)
		f.write(phone("1001", "sales"), phone("1002", "sales"))
		f.rows()
		began := time.Now()
		for i, n := range []dn.Number{"1001", "1002"} {
			f.table.Register(n, dn.Registered)
			if i == 0 {
				synctest.Wait() // the first one is looked at, the second one comes meanwhile
			}
		}
		if r := byKey(f.rows())[key{"sales", "dc1"}]; r.Agents[Ready] != 2 {
			t.Errorf("sales: %+v", r)
		}
		if late := time.Since(began); late > 0 {
			t.Errorf("the answer came %v late", late)
		}
	})
}

// TestReasons_AreBounded: what agents give as a reason makes no row grow without end.
func TestReasons_AreBounded(t *testing.T) {
	s := newSums()
	for i := range 1000 {
		s.put(dn.Number(fmt.Sprint(i)), class{state: NotReady, site: "dc1", reason: fmt.Sprint("r", i%100)}, []string{"sales"})
	}
	for _, r := range s.rows(all) {
		total := 0
		for _, n := range r.Reasons {
			total += n
		}
		if len(r.Reasons) > maxReasons || total != 1000 || r.Reasons["other"] != 10*(100-maxReasons+1) {
			t.Errorf("%q: %d reasons of %d agents: %v", r.Group, len(r.Reasons), total, r.Reasons)
		}
	}
	for i := range 1000 {
		s.drop(dn.Number(fmt.Sprint(i)))
	}
	if len(s.rows(all)) != 0 || len(s.classes.of) != 0 || len(s.groups.of) != 0 || len(s.reasons) != 0 {
		t.Errorf("something is left: %+v", s)
	}
}

// BenchmarkRows: 100,000 DNs in 500 groups at two sites.
func BenchmarkRows(b *testing.B) {
	f := busyFloor(b, 100_000, 500)
	f.rows()
	b.ReportAllocs()
	for b.Loop() {
		f.rows()
	}
}

// BenchmarkChange: one DN turns ready and back, folded, among 100,000.
func BenchmarkChange(b *testing.B) {
	f := busyFloor(b, 100_000, 500)
	f.rows()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		n := dn.Number(fmt.Sprint(100_000 + i%100_000))
		own, _ := f.table.Own(n)
		f.table.Answers(n, own.ClaimTime, i/100_000%2 == 1)
		if i++; i%500 == 0 {
			if err := f.fold.settled(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func busyFloor(b *testing.B, dns, groups int) *floor {
	f := newFloorOf(b, 0)
	var m []*configpb.Mutation
	for g := range groups {
		m = append(m, group(fmt.Sprint("g", g), g%2 == 0))
	}
	for i := range dns {
		if m = append(m, phone(fmt.Sprint(100_000+i), fmt.Sprint("g", i%groups))); len(m) > 5000 {
			f.write(m...)
			m = nil
		}
	}
	f.write(m...)
	for i := range dns {
		f.table.Register(dn.Number(fmt.Sprint(100_000+i)), dn.Registered)
	}
	return f
}
