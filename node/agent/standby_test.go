package agent

import (
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

// A phone is registered at a and at b. Its agent logs in at the owner, a, which is lost
// then; the standby is killed and started again, and knows the agent and who spoke last.
func TestRegistry_TheStandbyKnowsTheAgentAfterARestart(t *testing.T) {
	view, dir := twoNodes(t), t.TempDir()
	a, b := newNode(t, "a", view), openNode(t, "b", dir, view).run(t)
	a.serve(t, b)
	b.serve(t, a)
	a.follow(t, b)
	b.follow(t, a)
	a.table.RegisterWay("1000", dn.Registered, dn.Way{Line: 7, Flow: 1})
	b.sees(t, "1000", "a")
	kept := b.table.RegisterWay("1000", dn.Registered, dn.Way{Line: 7, Flow: 2})
	waitFor(t, "a knows the standby", func() bool { s, _ := a.table.Get("1000"); return s.Standby == "b" })
	was := a.does(t, "1000", Change{Request: login, AgentID: "7"})
	waitFor(t, "b stores the agent", func() bool {
		r, _ := b.table.Own("1000")
		return r.Agent.Equal(was.Agent) && b.agents.store.has("1000")
	})
	said, _ := b.table.Own("1000")
	b.end(t)

	b = openNode(t, "b", dir, view)
	b.table.Restore(kept) // as the SIP side does
	b.agents.Restore()
	b.run(t)
	if s, _ := b.table.Get("1000"); s.Keeper != "b" || s.State != dn.InSrv || !s.Agent.Equal(was.Agent) {
		t.Errorf("the standby has %+v, agent %+v", s, s.Agent)
	}
	if r, _ := b.table.Own("1000"); r.Said == 0 || r.Said != said.Said {
		t.Errorf("the agent's last word is of %d, it was of %d", r.Said, said.Said)
	}
	b.does(t, "1000", Change{Request: ready})
}
