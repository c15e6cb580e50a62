package session

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

const (
	ofDNs    = tlibpb.EventKind_EVENT_KIND_DN
	ofAgents = tlibpb.EventKind_EVENT_KIND_AGENT
	ofCalls  = tlibpb.EventKind_EVENT_KIND_CALL
)

// mixed is an office whose own DN 2001 has no group, and 2002 of sales is n2's;
// at each there is a call.
func mixed(t *testing.T) (*office, *elsewhere) {
	t.Helper()
	o := newOffice(t)
	peer := o.elsewhere()
	o.table.Register("2001", dn.Registered)
	o.says(lease("2002"))
	begin(t, o.traffic, "2001")
	begin(t, peer.Table, "2002")
	peer.says()
	return o, peer
}

// TestMonitorAll_WhatAFilterLetsPass: in the snapshot, and of what happens then.
func TestMonitorAll_WhatAFilterLetsPass(t *testing.T) {
	const (
		dn1, dn2     = "EVENT_DN_BACK_IN_SERVICE 2001 n1 registered row", "EVENT_DN_BACK_IN_SERVICE 2002 n2 registered row"
		idle         = "EVENT_DN_OUT_OF_SERVICE 1001   row"
		call1, call2 = "EVENT_RINGING 2001 +4930 n1 0 row", "EVENT_RINGING 2002 +4930 n2 0 row"
		end          = "END_OF_SNAPSHOT"
		later1       = "EVENT_RINGING 2001 +4930 n1 0"
		later2       = "EVENT_RINGING 2002 +4930 n2 0"
		out1         = "EVENT_DN_OUT_OF_SERVICE 2001 n1 unregistered"
		out2         = "EVENT_DN_OUT_OF_SERVICE 2002 n2 peer-lost"
	)
	for name, c := range map[string]struct {
		port        Port
		filter      *tlibpb.MonitorFilter
		rows, after []string
	}{
		"nothing":              {TCport, nil, []string{call1, call2, dn1, dn2, idle, end}, []string{later1, later2, out1, out2}},
		"DNs":                  {TCport, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{ofDNs}}, []string{dn1, dn2, idle, end}, []string{out1, out2}},
		"calls":                {TCport, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{ofCalls}}, []string{call1, call2, end}, []string{later1, later2}},
		"agents":               {TCport, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{ofAgents}}, []string{end}, nil},
		"DNs and calls":        {TCport, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{ofCalls, ofDNs}}, []string{call1, call2, dn1, dn2, idle, end}, []string{later1, later2, out1, out2}},
		"a group":              {TCport, &tlibpb.MonitorFilter{Group: "sales"}, []string{call2, dn2, end}, []string{later2, out2}},
		"a group without DNs":  {TCport, &tlibpb.MonitorFilter{Group: "none"}, []string{end}, nil},
		"own":                  {TCport, &tlibpb.MonitorFilter{OwnOnly: true}, []string{call1, dn1, end}, []string{later1, out1}},
		"an owner":             {TCport, &tlibpb.MonitorFilter{Owner: "n2"}, []string{call2, dn2, end}, []string{later2, out2}},
		"this owner":           {TCport, &tlibpb.MonitorFilter{Owner: "n1"}, []string{call1, dn1, end}, []string{later1, out1}},
		"an owner, DNs":        {TCport, &tlibpb.MonitorFilter{Owner: "n2", Kinds: []tlibpb.EventKind{ofDNs}}, []string{dn2, end}, []string{out2}},
		"an owner and a group": {TCport, &tlibpb.MonitorFilter{Owner: "n1", Group: "sales"}, []string{end}, nil},
		"the default port":     {DefaultPort, nil, []string{call1, dn1, end}, []string{later1, out1}},
		"there, another owner": {DefaultPort, &tlibpb.MonitorFilter{Owner: "n2"}, []string{end}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o, peer := mixed(t)
			w := o.connect(c.port, nil)
			w.heard()
			w.ask(monitorAll(&tlibpb.MonitorAll{Filter: c.filter}))
			// A DN's row may come twice: its call makes it busy a moment later.
			if got := slices.Compact(sorted(w.heard())); !slices.Equal(got, sorted(c.rows)) {
				t.Errorf("rows\n%q\nwant\n%q", got, c.rows)
			}
			begin(t, o.traffic, "2001")
			begin(t, peer.Table, "2002")
			peer.says()
			r, _ := o.table.Own("2001")
			o.table.End("2001", r.ClaimTime, dn.Unregistered)
			o.table.SetHeard("b", false)
			// What a DN of its own says comes behind all that.
			w.ask(registerAddress("9000", watched))
			o.await("all that it wants", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.events) > len(c.after) })
			o.table.Register("9000", dn.Registered)
			w.wait("9000", func(e *tlibpb.Event) bool {
				return e.GetThisDn() == "9000" && e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE
			})
			want := append([]string{"EVENT_REGISTERED 9000 InSrv", "EVENT_DN_BACK_IN_SERVICE 9000 n1 registered"}, c.after...)
			if got := unowned(sorted(w.heard())); !slices.Equal(got, unowned(sorted(want))) {
				t.Errorf("then\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func sorted(l []string) []string {
	slices.Sort(l)
	return l
}

// unowned leaves out who owned a DN that is out of service.
func unowned(l []string) []string {
	for i, s := range l {
		if s == "EVENT_DN_OUT_OF_SERVICE 2001 n1 unregistered" {
			l[i] = "EVENT_DN_OUT_OF_SERVICE 2001  unregistered"
		}
	}
	return l
}

// TestMonitorAll_EachIsAnsweredOnce: however many come before the first snapshot
// has ended.
func TestMonitorAll_EachIsAnsweredOnce(t *testing.T) {
	o, _ := mixed(t)
	w := o.connect(TCport, nil)
	w.heard()
	first := w.ref + 1
	for i := range 60 {
		if w.post(monitorAll(nil)); i%3 == 2 {
			w.post(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
		}
	}
	last := w.post(monitorAll(nil))
	w.wait("the last answer", func(e *tlibpb.Event) bool { return e.GetReferenceId() == last })
	w.ask(query("2001"))
	answers := map[uint64]int{}
	w.mu.Lock()
	for _, e := range w.events {
		answers[e.GetReferenceId()]++
		if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ERROR && e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION {
			t.Errorf("answered with %v", e)
		}
	}
	w.mu.Unlock()
	for ref := first; ref <= last; ref++ {
		if answers[ref] != 1 {
			t.Errorf("request %d has %d answers", ref, answers[ref])
		}
	}
	if answers[0] == 0 {
		t.Error("no rows came")
	}
}

// TestPace_RoutersWaitForNothing: however many monitor, who hears of calls at the default
// port hears of each at once; elsewhere what comes behind the first is gathered.
func TestPace_RoutersWaitForNothing(t *testing.T) {
	for port, want := range map[Port]int{DefaultPort: 3, TCport: 1} {
		t.Run(port.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				o.control.monitors.Add(1000)
				w := o.connect(port, nil)
				w.ask(monitorAll(calls()))
				<-time.After(2 * maxPace)
				w.heard()
				for range 3 {
					begin(t, o.traffic, "2001")
					synctest.Wait()
				}
				if got := w.heard(); len(got) != want {
					t.Errorf("%q at once, want %d events", got, want)
				}
				o.control.monitors.Add(-1000)
			})
		})
	}
}

// TestPace_GrowsWithTheMonitors: and is nothing again when they stop or leave.
func TestPace_GrowsWithTheMonitors(t *testing.T) {
	o := newOffice(t)
	stop := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}}
	var all []*wire
	for i, want := range []time.Duration{paceEach, 2 * paceEach, 3 * paceEach} {
		w := o.connect(TCport, nil)
		w.ask(monitorAll(calls()))
		w.ask(monitorAll(calls())) // is one, however often
		if all = append(all, w); o.control.pace() != want {
			t.Errorf("for %d: %v, want %v", i+1, o.control.pace(), want)
		}
	}
	o.control.monitors.Add(1000)
	if got := o.control.pace(); got != maxPace {
		t.Errorf("for very many: %v", got)
	}
	o.control.monitors.Add(-1000)
	for i, w := range all {
		if i%2 == 0 {
			w.ask(stop)
		}
		w.hangUp()
		_ = patience.Receive(t, "the end of the session", w.ended)
	}
	o.await("nobody monitors", func() bool { return o.control.monitors.Load() == 0 })
	if got := o.control.pace(); got != 0 {
		t.Errorf("for nobody: %v", got)
	}
}

// TestSession_AsksSoMuchAtOnce: requests that wait for an owner are bounded, and
// each that is answered makes room.
func TestSession_AsksSoMuchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{ReservationCollectMs: 1000}}})
		o.table.Register("2001", dn.Registered)
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2002", private))
		for range maxAsked + 10 { // one after the other
			if code := w.ask(agentReady("2002")).GetError().GetCode(); code != tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION {
				t.Fatal(code)
			}
		}
		for range maxAsked {
			w.post(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: "2001", Duration: durationpb.New(time.Millisecond)}}})
		}
		w.heard()
		w.says("EVENT_ERROR 2002 INTERNAL_ERROR", agentReady("2002"))
		w.says("EVENT_ADDRESS_INFO 2001 InSrv", query("2001"))
	})
}

// TestAgent_EveryStateIsToldOnce: to everybody, and in order. While an own request
// about the DN is on its way, what happens to the agent waits for its answer.
func TestAgent_EveryStateIsToldOnce(t *testing.T) {
	o := newOffice(t)
	a, b, stat := o.connect(TCport, nil), o.connect(TCport, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{ofAgents}}}))
	a.ask(registerAddress("2001", shared))
	b.ask(registerAddress("2001", shared))
	a.ask(agentLogin("2001", "7"))
	const rounds = 40
	for range rounds {
		for _, w := range []*wire{a, b} {
			w.post(agentReady("2001"))
			w.post(agentNotReady("2001"))
		}
	}
	for _, w := range []*wire{a, b} {
		ref := w.ref
		w.wait("its last answer", func(e *tlibpb.Event) bool { return e.GetReferenceId() == ref })
	}
	last, _ := o.table.Own("2001")
	for name, w := range map[string]*wire{"a": a, "b": b, "stat": stat} {
		is := func(e *tlibpb.Event) bool { return e.GetThisDn() == "2001" && isAgents(e) }
		same := func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			i := len(w.events) - 1
			for ; i >= 0 && !is(w.events[i]); i-- {
			}
			return i >= 0 && w.events[i].GetMessage() == agentAnswers[last.Agent.State] && w.events[i].GetTime().AsTime().UnixNano() == last.Agent.Since
		}
		o.await(name+" to know the agent's state", same)
		w.ask(reserveFor("2001", time.Millisecond)) // its answer lets go what still waits
		w.ask(query("2001"))
		w.mu.Lock()
		times, before := map[int64]bool{}, int64(0)
		for _, e := range w.events {
			if !is(e) {
				continue
			}
			at := e.GetTime().AsTime().UnixNano()
			repeated := e.GetReferenceId() != 0 && at == before // the answer to a request that found it so
			if times[at] && !repeated || at < before {
				t.Errorf("%s is told %s twice, or late", name, line(e))
			}
			times[at], before = true, at
		}
		w.mu.Unlock()
	}
}

func isAgents(e *tlibpb.Event) bool {
	for _, m := range agentAnswers {
		if e.GetMessage() == m {
			return true
		}
	}
	return false
}

// Who has registered a DN hears of it wherever it is at a TCport, also while it
// monitors own DNs only; at the default port, while it is this node's.
func TestSession_RegisteredDNThatMoves(t *testing.T) {
	for name, tc := range map[string]struct {
		port        Port
		moves, ends string
	}{
		"TCport":       {TCport, "EVENT_DN_BACK_IN_SERVICE 1001 n2 owner-moved", "EVENT_DN_OUT_OF_SERVICE 1001  expired"},
		"default port": {DefaultPort, "EVENT_DN_OUT_OF_SERVICE 1001  owner-moved", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.table.Register("1001", dn.Registered)
			w := o.connect(tc.port, nil)
			w.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{OwnOnly: true}}))
			w.ask(registerAddress("1001", watched))
			w.heard()
			there := lease("1001")
			o.says(there)
			w.hears(tc.moves)
			there.Seq, there.State, there.Reason = 1, dn.OOS, dn.Expired
			if o.says(there); tc.ends != "" {
				w.hears(tc.ends)
			}
			o.await("the session to have heard of it", func() bool { return w.position() == o.table.Head() })
			o.table.Register("1001", dn.Registered)
			w.hears("EVENT_DN_BACK_IN_SERVICE 1001 n1 registered")
		})
	}
}

// Nothing of what a client knew by an earlier MonitorAll is in the snapshot of the next one.
func TestMonitorAll_BeginsWithNothingInside(t *testing.T) {
	for name, filter := range map[string]*tlibpb.MonitorFilter{"own": {OwnOnly: true}, "an owner": {Owner: "n1"}} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.table.Register("2001", dn.Registered)
			w := o.connect(TCport, nil)
			w.heard()
			m := monitorAll(&tlibpb.MonitorAll{Filter: filter})
			w.post(m)
			w.hears("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered row", "END_OF_SNAPSHOT")
			w.says("END_OF_SNAPSHOT", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{}})
			w.heard()
			o.says(lease("2001"))
			w.post(m)
			w.hears("END_OF_SNAPSHOT")
		})
	}
}

// A client's own DNs are in every snapshot of its, whatever its filter: here 1001, which is
// in no group.
func TestMonitorAll_BeginsWithTheClientsOwn(t *testing.T) {
	const own, sales = "EVENT_DN_BACK_IN_SERVICE 1001 n1 registered row", "EVENT_DN_BACK_IN_SERVICE 2002 n1 registered row"
	for name, c := range map[string]struct {
		filter *tlibpb.MonitorFilter
		want   []string
	}{
		"a group":     {&tlibpb.MonitorFilter{Group: "sales"}, []string{own, sales}},
		"calls alone": {calls().GetFilter(), []string{own}},
		"all":         {&tlibpb.MonitorFilter{}, []string{own, "EVENT_DN_BACK_IN_SERVICE 2001 n1 registered row", sales}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			for _, n := range []dn.Number{"1001", "2001", "2002"} {
				o.table.Register(n, dn.Registered)
			}
			w := o.connect(TCport, nil)
			w.ask(registerAddress("1001", watched))
			w.heard()
			w.post(monitorAll(&tlibpb.MonitorAll{Filter: c.filter}))
			w.hears(append(c.want, "END_OF_SNAPSHOT")...)
		})
	}
}

var agentAnswers = map[dn.AgentState]tlibpb.Message{
	dn.LoggedOut: tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT, dn.LoggedIn: tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN,
	dn.NotReady: tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY, dn.Ready: tlibpb.Message_MESSAGE_EVENT_AGENT_READY,
}

// What a client registers while a snapshot begins is in no row of it: that it is there was
// told by the answer, and that it leaves is told yet.
func TestMonitorAll_ForgetsNothingThatWasRegisteredMeanwhile(t *testing.T) {
	a := &audience{self: "a", port: DefaultPort, dns: map[dn.Number]place{"1001": {}}, inside: map[dn.Number]struct{}{"1001": {}, "2001": {}}}
	a.rows(func() *fsm.View { return nil })
	a.dns["1002"], a.inside["1002"] = place{}, struct{}{}
	a.beginAnew()
	if _, late := a.inside["1002"]; !late || len(a.inside) != 1 {
		t.Fatalf("inside are %v, want 1002", a.inside)
	}
	left := dn.Item{Kind: feed.Change, What: dn.OwnerChange, Status: dn.Status{Number: "1002", Keeper: "b", State: dn.InSrv}}
	if !a.judge(&left) || left.Status.State != dn.OOS {
		t.Errorf("that it left is told as %+v", left)
	}
}
