package agent

import (
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

// The keeper of a phone's DN is told that the agent's desktop, at another node, is gone: as
// soon as it is heard, and unless the desktop is back by then.
func TestDesktop_OfAPhoneAtAnotherNode(t *testing.T) {
	for what, c := range map[string]struct {
		loss configpb.DesktopLost
		back bool
		want dn.AgentState
	}{
		"not ready": {configpb.DesktopLost_DESKTOP_LOST_NOT_READY, false, dn.NotReady},
		"logout":    {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, false, dn.LoggedOut},
		"keep":      {configpb.DesktopLost_DESKTOP_LOST_KEEP, false, dn.Ready},
		"back":      {configpb.DesktopLost_DESKTOP_LOST_LOGOUT, true, dn.Ready},
	} {
		t.Run(what, func(t *testing.T) {
			view := twoNodes(t, lostBy(c.loss))
			a, b := newNode(t, "a", view), newNode(t, "b", view)
			b.serve(t, a)
			cut := a.follow(t, b)
			b.table.Register("1000", dn.Registered)
			b.does(t, "1000", Change{Request: login, AgentID: "7"})
			b.does(t, "1000", Change{Request: ready})
			a.sees(t, "1000", "b")
			cut()
			a.agents.Desktop("1000", false)
			if c.back {
				a.agents.Desktop("1000", true)
			}
			a.follow(t, b)
			waitFor(t, "nothing is left to be told", func() bool { return a.agents.Held()["desktop_losses"] == 0 })
			if r, _ := b.table.Own("1000"); r.Agent.State != c.want || r.Agent.Bereaved() != (c.want != dn.Ready) {
				t.Errorf("%+v", r.Agent)
			}
		})
	}
}
