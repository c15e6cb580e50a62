package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

func agentLogin(how configpb.AgentLogin) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{AgentLogin: how}}}
}

// awaitsLeft waits until a node shows that the DN's agent went to another one.
func (k *node) awaitsLeft(t *testing.T, n, to dn.Number) {
	t.Helper()
	waitFor(t, string(k.id)+" shows that the agent of "+string(n)+" went to "+string(to), func() bool {
		s, _ := k.table.Get(n)
		return s.Agent.Left() && s.Agent.Reasons[0] == dn.KeyValue{Key: dn.LoginDN, Value: string(to)} && !s.Routable(false)
	})
}

// The later login counts, and the keeper of the other DN has its end on its disk.
func TestRegistry_ALoginTakesOver(t *testing.T) {
	for _, how := range []configpb.AgentLogin{configpb.AgentLogin_AGENT_LOGIN_UNSPECIFIED, configpb.AgentLogin_AGENT_LOGIN_TAKE_OVER} {
		a, b := pair(t, twoNodes(t, agentLogin(how)))
		a.table.Register("1000", dn.Registered)
		b.table.Register("1001", dn.Registered)
		a.sees(t, "1001", "b")
		a.does(t, "1000", Change{Request: login, AgentID: "7"})
		a.does(t, "1000", Change{Request: ready})
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r", Duration: time.Minute, AtOnce: true}); err != nil {
			t.Fatal(err)
		}
		a.does(t, "1001", Change{Request: login, AgentID: "7"})
		a.awaitsLeft(t, "1000", "1001")
		b.awaitsLeft(t, "1000", "1001")
		if r, _ := a.table.Own("1000"); !r.Agent.Left() || r.Reserved.Holder != "" {
			t.Errorf("%v: the keeper says %+v", how, r)
		}
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "q", Duration: time.Minute, AtOnce: true}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE {
			t.Errorf("%v: reserved whom he left: %v", how, err)
		}
		waitFor(t, "the store has it", func() bool {
			a.agents.store.mu.Lock()
			defer a.agents.store.mu.Unlock()
			return a.agents.store.words["1000"].agent.Left()
		})
		a.does(t, "1000", Change{Request: login, AgentID: "7"})
		b.awaitsLeft(t, "1001", "1000")
		a.end(t)
	}
}

func TestRegistry_ALoginIsRefused(t *testing.T) {
	a, b := pair(t, twoNodes(t, agentLogin(configpb.AgentLogin_AGENT_LOGIN_REFUSE)))
	a.table.Register("1000", dn.Registered)
	held := b.table.Register("1001", dn.Registered)
	a.sees(t, "1001", "b")
	a.does(t, "1001", Change{Request: login, AgentID: "7"})
	waitFor(t, "a knows of the login", func() bool { _, in := a.table.LoggedIn("7"); return in })
	_, err := a.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7"})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED || !strings.Contains(err.Error(), "agent 7 is logged in at DN 1001: log out there first") {
		t.Errorf("logged in twice: %v", err)
	}
	a.does(t, "1001", Change{Request: login, AgentID: "7"}) // who is there already
	b.table.End("1001", held.ClaimTime, dn.Unregistered)
	waitFor(t, "a sees 1001 out of service", func() bool { s, _ := a.table.Get("1001"); return s.State == dn.OOS })
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	b.awaitsLeft(t, "1001", "1000")
}

// Both sides of a cut log the agent in, whatever the option says. A restart in between
// changes nothing.
func TestRegistry_LoginsOnTwoSidesOfACut(t *testing.T) {
	view, dir := twoNodes(t, agentLogin(configpb.AgentLogin_AGENT_LOGIN_REFUSE)), t.TempDir()
	a, b := openNode(t, "a", dir, view).run(t), newNode(t, "b", view)
	a.table.Register("1000", dn.Registered)
	b.table.Register("1001", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	a.end(t)
	a = openNode(t, "a", dir, view)
	a.agents.Restore()
	a.run(t)
	last := b.does(t, "1001", Change{Request: login, AgentID: "7"})
	a.follow(t, b)
	b.follow(t, a)
	a.awaitsLeft(t, "1000", "1001")
	b.awaitsLeft(t, "1000", "1001")
	for _, k := range []*node{a, b} {
		if s, in := k.table.LoggedIn("7"); !in || s.Number != "1001" || !s.Agent.Same(last.Agent) {
			t.Errorf("%s has him at %+v", k.id, s)
		}
	}
}
