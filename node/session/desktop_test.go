package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// desktopLost makes the cluster's policy for agents whose desktop is lost, with that grace.
func (o *office) desktopLost(l configpb.DesktopLost, grace uint32) {
	a, b := nodeOf("a", "n1", "dc1"), nodeOf("b", "n2", "dc2")
	level := o.machine.Features().Known
	a.GetPutNode().FeatureLevel, b.GetPutNode().FeatureLevel = level, level
	o.write(a, b)
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutLevel{PutLevel: level}})
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: grace, Policy: &configpb.Policy{DesktopLost: l}}}})
}

// seat registers a DN by a client whose agent is ready.
func (o *office) seat(n string) *wire {
	w := o.connect(TCport, nil)
	w.ask(registerAddress(n, shared))
	w.ask(agentLogin(n, "7"))
	w.ask(agentReady(n))
	return w
}

// However the last desktop at a DN ends, the next one finds the agent as the policy says,
// and everybody is told why.
func TestDesktop_TheNextOneInheritsNoReady(t *testing.T) {
	const keep, notReady, logout = configpb.DesktopLost_DESKTOP_LOST_KEEP, configpb.DesktopLost_DESKTOP_LOST_NOT_READY, configpb.DesktopLost_DESKTOP_LOST_LOGOUT
	leaves := func(w *wire) { close(w.closed) }
	for what, c := range map[string]struct {
		loss configpb.DesktopLost
		n    string
		ends func(*wire)
		want dn.AgentState
	}{
		"its connection":                 {0, "2001", func(w *wire) { w.hangUp() }, dn.NotReady},
		"it leaves":                      {0, "2001", leaves, dn.NotReady},
		"it un-registers":                {0, "2001", func(w *wire) { w.post(unregisterAddress("2001")) }, dn.NotReady},
		"it only monitors":               {0, "2001", func(w *wire) { w.post(registerAddress("2001", watched)) }, dn.NotReady},
		"to be logged out":               {logout, "2001", leaves, dn.LoggedOut},
		"to be kept":                     {keep, "2001", leaves, dn.Ready},
		"beside a phone":                 {0, "1001", leaves, dn.Ready},
		"beside a phone, not ready":      {notReady, "1001", leaves, dn.NotReady},
		"beside a phone, only monitors":  {logout, "1001", func(w *wire) { w.post(registerAddress("1001", watched)) }, dn.LoggedOut},
		"beside a phone, never more":     {logout, "1001", func(w *wire) {}, dn.Ready},
		"not the last one of its node's": {0, "2002", leaves, dn.Ready},
	} {
		t.Run(what, func(t *testing.T) {
			o := newOffice(t)
			o.desktopLost(c.loss, 0)
			if c.n == "1001" {
				o.table.Register("1001", dn.Registered)
			}
			w := o.seat(c.n)
			other := o.connect(TCport, nil)
			if other.ask(registerAddress(c.n, watched)); c.n == "2002" {
				other.ask(registerAddress(c.n, shared))
			}
			leaves(o.connect(TCport, nil))
			c.ends(w)
			agentIs := func() dn.AgentState { st, _ := o.table.Get(dn.Number(c.n)); return st.Agent.State }
			o.await("the agent to be "+c.want.String(), func() bool { return agentIs() == c.want })
			if c.want != dn.Ready {
				other.wait("why", func(e *tlibpb.Event) bool {
					return e.GetAgentNotReady().GetCause() == tlibpb.AgentCause_AGENT_CAUSE_DESKTOP_LOST || e.GetAgentLogout().GetCause() == tlibpb.AgentCause_AGENT_CAUSE_DESKTOP_LOST
				})
			}
			next := o.connect(TCport, nil)
			next.ask(registerAddress(c.n, shared))
			if st, _ := o.table.Get(dn.Number(c.n)); st.State != dn.InSrv || st.Agent.State != c.want {
				t.Errorf("the next one finds %+v", st.Agent)
			}
		})
	}
}

// Nothing is lost within the grace.
func TestDesktop_IsLostWhenItsGraceIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.desktopLost(0, 30)
		o.seat("2001").hangUp()
		for _, c := range []struct {
			wait time.Duration
			want dn.AgentState
		}{{29 * time.Second, dn.Ready}, {2 * time.Second, dn.NotReady}} {
			<-time.After(c.wait)
			synctest.Wait()
			if st, _ := o.table.Get("2001"); st.Agent.State != c.want || st.Routable(false) != (c.want == dn.Ready) {
				t.Errorf("%+v, agent %+v", st, st.Agent)
			}
		}
	})
}

// A node that stops ends its sessions: that is no doing of the desktops, which find another
// node.
func TestDesktop_IsNotLostWithItsNode(t *testing.T) {
	o := newOffice(t)
	w := o.seat("2001")
	o.control.addresses.stopAll()
	_ = patience.Receive(t, "the end of the session", w.ended) // why does not matter
	o.await("its DN to be out of service", func() bool { st, _ := o.table.Get("2001"); return st.State == dn.OOS })
	if st, _ := o.table.Get("2001"); st.Agent.State != dn.Ready {
		t.Errorf("%+v", st.Agent)
	}
}

// A desktop at another node takes the DN over and is gone: the one that is still here has it
// again, with the agent as the other one left him; but not while that one is only not heard,
// nor when nobody here has it in service.
func TestDesktop_HasBackWhatAnotherOneLeft(t *testing.T) {
	for what, c := range map[string]struct {
		n       string
		mode    tlibpb.AddressMode
		mutates []*configpb.Mutation
		back    bool
	}{
		"still here":    {"2001", shared, nil, true},
		"monitors":      {"2001", watched, nil, false},
		"a phone's":     {"1001", shared, nil, false},
		"on a draining": {"2001", shared, []*configpb.Mutation{drainingNode(time.Time{})}, false},
	} {
		t.Run(what, func(t *testing.T) {
			o := newOffice(t)
			w := o.connect(TCport, nil)
			w.ask(registerAddress(c.n, c.mode))
			taken := dn.Record{
				Number: dn.Number(c.n), ClaimTime: time.Now().Add(time.Minute).UnixNano(), State: dn.InSrv, Reason: dn.Registered, Since: 1,
				Agent: &dn.Agent{ID: "7", State: dn.Ready, Since: 1},
			}
			o.says(taken)
			o.await("n2 to have it", func() bool { st, _ := o.table.Get(dn.Number(c.n)); return st.Owner == "b" })
			o.write(c.mutates...)
			taken.Seq, taken.State, taken.Reason = 1, dn.OOS, dn.DesktopLost
			taken.Agent = dn.LossNotReady.Of(taken.Agent, false, 9)
			marker := taken
			marker.Number = "2002"
			o.says(taken, marker)
			w.ask(registerAddress("2002", watched))
			o.await("the loss", func() bool { st, _ := o.table.Get("2002"); return st.State == dn.OOS })
			if c.back {
				o.await("n1 to have it back", func() bool {
					st, _ := o.table.Get(dn.Number(c.n))
					return st.State == dn.InSrv && st.Owner == o.table.Self()
				})
				w.awaits("EVENT_DN_BACK_IN_SERVICE " + c.n + " n1 registered")
			}
			if st, _ := o.table.Get(dn.Number(c.n)); (st.State == dn.InSrv) != c.back || !st.Agent.Bereaved() {
				t.Errorf("%+v, agent %+v", st, st.Agent)
			}
		})
	}
}
