package agent

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// lostBy is the cluster's policy for agents whose desktop is lost.
func lostBy(l configpb.DesktopLost) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Policy: &configpb.Policy{DesktopLost: l}}}}
}

// After a restart of the owner the desktop has its time to come back; the agent of one that
// does not is no longer ready, which outlives the next restart.
func TestDesktop_MayComeBackAfterARestart(t *testing.T) {
	for what, c := range map[string]struct {
		back time.Duration
		want dn.AgentState
	}{"in time": {nodeGrace - time.Second, dn.Ready}, "too late": {nodeGrace + time.Second, dn.NotReady}} {
		synctest.Test(t, func(t *testing.T) {
			view, dir := twoNodes(t), t.TempDir()
			a := openNode(t, "a", dir, view).run(t)
			a.table.Register("1000", dn.Registered)
			a.does(t, "1000", Change{Request: login, AgentID: "7"})
			a.does(t, "1000", Change{Request: ready})
			a.end(t)
			a = openNode(t, "a", dir, view)
			a.agents.Restore()
			a.run(t)
			<-time.After(c.back)
			synctest.Wait()
			r := a.table.RegisterDesktop("1000", DesktopOf(view, "1000"))
			if r.Agent.State != c.want || r.Agent.Bereaved() != (c.want != dn.Ready) {
				t.Errorf("back %s: %+v", what, r.Agent)
			}
			<-time.After(2 * nodeGrace)
			a.end(t)
			a = openNode(t, "a", dir, view)
			a.agents.Restore()
			if r, _ := a.table.Own("1000"); r.Agent == nil || r.Agent.State != c.want {
				t.Errorf("back %s, and started again: %+v", what, r.Agent)
			}
		})
	}
}

// phone is a DN of a phone, 1300.
func phone() *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1300", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef"}}}
}

// sits is the registration of the phone's DN by a client of the node.
func (k *node) sits(private bool) dn.Desk {
	d := dn.Desk{Node: k.id, Incarnation: k.table.Incarnation(), Claim: k.table.SeatClaim("1300"), Private: private}
	k.agents.Desktop("1300", d, false)
	return d
}

// has waits until the node's table says so of the clients at the phone's DN.
func (k *node) has(t *testing.T, want ...dn.Desk) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s knows of %v", k.id, want), func() bool {
		st, _ := k.table.Get("1300")
		return slices.Equal(st.Desks.All(), want)
	})
}

// The keeper of a phone's DN is told that the agent's desktop, at another node, is gone: as
// soon as it is heard, and unless the desktop is back by then, there or elsewhere.
func TestDesktop_OfAPhoneAtAnotherNode(t *testing.T) {
	for what, c := range map[string]struct {
		loss            configpb.DesktopLost
		back, elsewhere bool
		want            dn.AgentState
	}{
		"not ready":      {configpb.DesktopLost_DESKTOP_LOST_NOT_READY, false, false, dn.NotReady},
		"logout":         {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, false, false, dn.LoggedOut},
		"keep":           {configpb.DesktopLost_DESKTOP_LOST_KEEP, false, false, dn.Ready},
		"back":           {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, true, false, dn.Ready},
		"back elsewhere": {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, false, true, dn.Ready},
	} {
		t.Run(what, func(t *testing.T) {
			view := twoNodes(t, phone(), lostBy(c.loss))
			a, b := newNode(t, "a", view), newNode(t, "b", view)
			b.serve(t, a)
			cut := a.follow(t, b)
			b.table.Register("1300", dn.Registered)
			b.does(t, "1300", Change{Request: login, AgentID: "7"})
			b.does(t, "1300", Change{Request: ready})
			a.sees(t, "1300", "b")
			was := a.sits(false)
			if c.loss != configpb.DesktopLost_DESKTOP_LOST_KEEP {
				b.has(t, was)
				a.has(t, was)
			}
			cut()
			a.agents.Desktop("1300", was, true)
			if c.back {
				was = a.sits(false)
			}
			if c.elsewhere {
				b.has(t, b.sits(false), was)
			}
			waitFor(t, "it is time to tell", func() bool {
				return !slices.ContainsFunc(a.agents.seats.all(), func(x seat) bool { return x.due.After(time.Now()) })
			})
			a.agents.tellKeepers(t.Context()) // who is not heard
			a.follow(t, b)
			waitFor(t, "nothing is left to be told", func() bool { return a.agents.Held()["desktops_untold"] == 0 })
			if r, _ := b.table.Own("1300"); r.Agent.State != c.want || r.Agent.Bereaved() != (c.want != dn.Ready) {
				t.Errorf("%+v", r.Agent)
			}
		})
	}
}

// A desktop's node that is lost, or started again, has the desktop's grace at the keeper of a
// phone's DN, which may have been started again too; then the agent is as the policy says.
func TestDesktop_OfAPhoneWhoseNodeIsLost(t *testing.T) {
	for what, c := range map[string]struct {
		loss  configpb.DesktopLost
		wait  time.Duration
		after func(t *testing.T, a, b *node)
		want  dn.AgentState
	}{
		"within the grace":  {configpb.DesktopLost_DESKTOP_LOST_NOT_READY, nodeGrace - 2*time.Second, nil, dn.Ready},
		"not ready":         {configpb.DesktopLost_DESKTOP_LOST_NOT_READY, nodeGrace + 2*time.Second, nil, dn.NotReady},
		"logout":            {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, nodeGrace + 2*time.Second, nil, dn.LoggedOut},
		"at another node":   {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, nodeGrace + 2*time.Second, func(_ *testing.T, _, b *node) { b.sits(false) }, dn.Ready},
		"heard again":       {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, nodeGrace + 2*time.Second, func(t *testing.T, a, b *node) { b.hears(t, a, a.table.Incarnation()) }, dn.Ready},
		"heard as it began": {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, nodeGrace + 2*time.Second, func(t *testing.T, a, b *node) { b.hears(t, a, incarnations.Add(1)) }, dn.LoggedOut},
	} {
		synctest.Test(t, func(t *testing.T) {
			view, dir := twoNodes(t, phone(), lostBy(c.loss)), t.TempDir()
			a, b := openNode(t, "a", t.TempDir(), view), openNode(t, "b", dir, view).run(t)
			b.hears(t, a, a.table.Incarnation())
			b.table.Register("1300", dn.Registered)
			b.does(t, "1300", Change{Request: login, AgentID: "7"})
			b.does(t, "1300", Change{Request: ready})
			was := dn.Desk{Node: "a", Incarnation: a.table.Incarnation(), Claim: a.table.SeatClaim("1300")}
			b.agents.Desktop("1300", was, false)
			b.has(t, was)
			<-time.After(2 * nodeGrace) // as long as the node is there nothing ends
			b.has(t, was)
			if b.table.SetHeard("a", false); c.after != nil {
				c.after(t, a, b)
			}
			<-time.After(c.wait)
			synctest.Wait()
			if r, _ := b.table.Own("1300"); r.Agent.State != c.want || r.Agent.Bereaved() != (c.want != dn.Ready) {
				t.Errorf("%s: %+v", what, r.Agent)
			}
			b.end(t)
		})
	}
}

// hears has the node hear that incarnation of another one, which says nothing.
func (k *node) hears(t *testing.T, o *node, incarnation uint64) {
	t.Helper()
	c, err := k.table.Sync(o.id, incarnation, false)
	if err == nil {
		err = c.Synced(1)
	}
	if err != nil || !k.table.SetHeard(o.id, true) {
		t.Fatal(err)
	}
}

// The keeper is started again: it knows of the desktop, whose node it has to hear within the
// grace.
func TestDesktop_OfAPhoneIsKnownAfterARestart(t *testing.T) {
	for _, heard := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			view, dir := twoNodes(t, phone(), lostBy(configpb.DesktopLost_DESKTOP_LOST_NOT_READY)), t.TempDir()
			a, b := openNode(t, "a", t.TempDir(), view), openNode(t, "b", dir, view).run(t)
			b.hears(t, a, a.table.Incarnation())
			b.table.Register("1300", dn.Registered)
			b.does(t, "1300", Change{Request: login, AgentID: "7"})
			b.does(t, "1300", Change{Request: ready})
			was := dn.Desk{Node: "a", Incarnation: a.table.Incarnation(), Claim: a.table.SeatClaim("1300"), Private: true}
			b.agents.Desktop("1300", was, false)
			b.has(t, was)
			phones, _ := b.table.Own("1300")
			b.end(t)
			b = openNode(t, "b", dir, view)
			b.table.Restore(dn.Record{Number: "1300", ClaimTime: phones.ClaimTime, State: dn.InSrv, Reason: dn.Registered, Since: phones.Since})
			b.agents.Restore()
			b.run(t)
			b.has(t, was)
			if heard {
				b.hears(t, a, a.table.Incarnation())
			}
			<-time.After(nodeGrace + 2*time.Second)
			synctest.Wait()
			if r, _ := b.table.Own("1300"); (r.Agent.State == dn.Ready) != heard || (r.Desks == nil) == heard {
				t.Errorf("heard: %v: %+v, %+v", heard, r.Agent, r.Desks)
			}
			b.end(t)
		})
	}
}
