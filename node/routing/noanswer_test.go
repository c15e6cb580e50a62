package routing

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// The agent who is idle for the longest time is absent, or his phone is and says where
// calls go (302): one call rings there, and the next ones go to the other agent at once,
// whether somebody logged in or not.
func TestNoAnswer_TheAbsentAgentIsRungOnce(t *testing.T) {
	absent := invite.Outcome{Code: 408, Reason: "No Answer", NoAnswer: true}
	for what, c := range map[string]struct {
		login bool
		out   invite.Outcome
	}{
		"logged in": {true, absent}, "nobody logged in": {false, absent},
		"logged in, forwarded": {true, invite.Outcome{Code: 302, Reason: "Moved Temporarily"}},
	} {
		login, out := c.login, c.out
		t.Run(what, func(t *testing.T) {
			x := newExchange(t)
			x.write(member("1003"), member("1004"))
			for _, n := range []dn.Number{"1003", "1004"} {
				x.table.Register(n, dn.Registered)
				for _, r := range []peerpb.AgentRequest{peerpb.AgentRequest_AGENT_REQUEST_LOGIN, peerpb.AgentRequest_AGENT_REQUEST_READY} {
					if !login {
						continue
					}
					if _, err := x.agents.SetAgent(t.Context(), n, agent.Change{Request: r, AgentID: "7" + string(n)}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i, want := range [][]string{{"1003", "1004"}, {"1004"}, {"1004"}} {
				c := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{
					"1003": out, "1004": overAtOnce(),
				}}
				c.serve(t.Context(), x.r)
				if !slices.Equal(c.tries, want) {
					t.Errorf("caller %d rang at %v, want %v", i+1, c.tries, want)
				}
			}
			switch s, _ := x.table.Get("1003"); {
			case login && (s.Agent.State != dn.NotReady || s.Agent.Reasons[0] != dn.KeyValue{Key: "reason", Value: "no-answer"} || s.CoolUntil != 0):
				t.Errorf("the agent: %+v, cools down until %d", s.Agent, s.CoolUntil)
			case !login:
				if left := time.Until(time.Unix(0, s.CoolUntil)); left > 30*time.Second || left < 10*time.Second {
					t.Errorf("it cools down for %v", left)
				}
			}
		})
	}
}

// A routing point says how long its calls ring, before the agent's group does.
func TestNoAnswer_TheRoutingPointSaysHowLongItRings(t *testing.T) {
	for what, c := range map[string]struct {
		point, group *uint32
		want         time.Duration
	}{
		"the default": {nil, nil, configpb.DefaultRingTimeout}, "the group": {nil, proto.Uint32(7000), 7 * time.Second},
		"the point": {proto.Uint32(9000), proto.Uint32(7000), 9 * time.Second},
	} {
		x := newExchange(t)
		config := &configpb.DN{Number: "1003", Groups: []string{"sales"}}
		view, err := x.machine.View().With([]*configpb.Mutation{{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales", Policy: &configpb.Policy{RingTimeoutMs: c.group}}}}})
		if err != nil {
			t.Fatal(err)
		}
		point := &configpb.DN{RoutingPoint: &configpb.RoutingPoint{Policy: &configpb.Policy{RingTimeoutMs: c.point}}}
		if got := view.Rules(config, point).RingTimeout; got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}
