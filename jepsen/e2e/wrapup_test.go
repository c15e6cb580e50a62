package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

const (
	// longWrapUp outlasts the test, shortWrapUp ends in it.
	longWrapUp, shortWrapUp = 10 * time.Minute, 6 * time.Second
	// sameEnd is how much nodes may differ about an end: they tell each other what is left.
	sameEnd = 1500 * time.Millisecond
)

// TestWrapUp_KeepsItsEnd: agents work after a call, as every client is told before the call's
// release. The node of two of them is killed and starts again, the phones of the other two
// move to another node: the end stays what it was, and at their end they are ready.
func TestWrapUp_KeepsItsEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	one, two, three := c.Node(1), c.Node(2), c.Node(3)
	ph := phones(t, one, "8710")
	r := &room{t: t, c: c, caller: softUA(t, three, ph[0], "udp"), ends: map[string]time.Time{}}
	long, moves := r.agent(ph[0], "8711", longWrapUp), r.agent(ph[0], "8712", longWrapUp)
	short, shortMoves := r.agent(ph[0], "8713", shortWrapUp), r.agent(ph[0], "8714", shortWrapUp)
	r.desk = connect(t, three, cluster.TCPort)
	for _, n := range c.Nodes() {
		r.stats = append(r.stats, statServer(t, n))
	}
	r.works(two, long, short)
	r.works(one, moves, shortMoves)
	since := time.Now()
	eventually(t, 2*soon, "an end that is counted anew would be another one", func(context.Context) error {
		if r.ended(c.Nodes(), long, moves); time.Since(since) < 2*sameEnd {
			return fmt.Errorf("it has lasted for %v", time.Since(since))
		}
		return nil
	})
	two.Kill9()
	must(t, two.Start(t.Context()))
	for _, p := range []phone{moves, shortMoves} {
		softUA(t, three, p, "udp")
	}
	expectSeen(t, starting, inServiceAt(two), []phone{long, short}, c.Nodes()...)
	expectSeen(t, starting, inServiceAt(three), []phone{moves, shortMoves}, c.Nodes()...)
	r.ended(c.Nodes(), long, moves)
	r.stats[1] = statServer(t, two)
	for _, n := range c.Nodes() {
		r.shown(n, long)
		r.shown(n, moves)
	}
	r.ready(short, shortMoves)
}

// room is where agents take calls of one caller.
type room struct {
	t      *testing.T
	c      *cluster.Cluster
	desk   *client // of all agents
	caller *siptest.UA
	stats  []*client            // one at each node
	ends   map[string]time.Time // of the wrap-ups, by DN
}

// agent configures a DN whose agent works so long after a call; the password is that of another one.
func (r *room) agent(like phone, dn string, wrapUp time.Duration) phone {
	r.t.Helper()
	like.dn = dn
	d := cluster.SIPDN(dn, like.realm, like.password)
	d.Groups = []string{"g" + dn}
	write(r.t, r.c.Node(1), dn, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{
			Name: "g" + dn, LoginRequired: true, Policy: &configpb.Policy{WrapUpS: proto.Uint32(uint32(wrapUp.Seconds()))},
		}}},
		{Op: &configpb.Mutation_PutDn{PutDn: d}},
	}})
	return like
}

// works has agents at phones of a node take a call each, and be in their wrap-ups.
func (r *room) works(n *cluster.Node, agents ...phone) {
	t := r.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), starting)
	defer cancel()
	for _, p := range agents {
		u := softUA(t, n, p, "udp")
		expectSeen(t, soon, inServiceAt(n), []phone{p}, r.c.Nodes()...)
		r.desk.ask(t, registerAddress(p.dn, tlibpb.AddressMode_ADDRESS_MODE_SHARED))
		r.desk.says(t, "EVENT_AGENT_LOGIN "+p.dn+" agent=7"+p.dn, agentLogin(p.dn, "7"+p.dn))
		r.desk.says(t, fmt.Sprintf("EVENT_AGENT_READY %s agent=7%s site=%s", p.dn, p.dn, n.Site()), agentReady(p.dn))
		expectRoutable(t, p.dn, true, r.c.Nodes()...)
		call, err := r.caller.Place(ctx, "sip:"+p.dn+"@"+p.realm)
		must(t, err)
		taken, err := u.Take(ctx)
		must(t, err)
		must(t, taken.Answer())
		_, err = call.Await(ctx, 200)
		must(t, err)
		must(t, call.Ack())
		_, err = call.Bye(ctx)
		must(t, err)
		for _, s := range r.stats {
			r.told(s, p.dn)
		}
	}
}

// told wants a client to hear of the wrap-up, with its end, before it hears of the release.
func (r *room) told(s *client, dn string) {
	r.t.Helper()
	var last *tlibpb.Event
	s.wait(r.t, soon, "the release of "+dn, func(e *tlibpb.Event) bool {
		switch {
		case e.GetThisDn() != dn:
		case e.GetAgentNotReady() != nil:
			last = e
		case e.GetReleased() != nil:
			return true
		}
		return false
	})
	until := last.GetAgentNotReady().GetUntil()
	if last.GetAgentNotReady().GetCause() != tlibpb.AgentCause_AGENT_CAUSE_WRAP_UP || until == nil {
		r.t.Fatalf("session at %s: before the release of %s: %v", s.at.Name(), dn, last)
	}
	if _, known := r.ends[dn]; !known {
		r.ends[dn] = until.AsTime()
	}
}

// ended wants the nodes to say that the wrap-ups end when they did when they began.
func (r *room) ended(nodes []*cluster.Node, agents ...phone) {
	r.t.Helper()
	for _, n := range nodes {
		for _, p := range agents {
			eventuallyGet(r.t, n, p.dn, func(d *tcpb.DNStatus) bool {
				return d.GetAgent().GetWorkMode() == uint32(tlibpb.AgentWorkMode_AGENT_WORK_MODE_AFTER_CALL_WORK) && r.same(p.dn, d.GetAgent().GetUntil().AsTime())
			})
		}
	}
}

func (r *room) same(dn string, until time.Time) bool {
	return until.Sub(r.ends[dn]).Abs() < sameEnd
}

// shown wants an operator to see the end.
func (r *room) shown(n *cluster.Node, p phone) {
	r.t.Helper()
	res, err := n.CLI(r.t.Context(), "dn", "get", p.dn, "-o", "json", "--addr", n.Addr(cluster.TCPort).String())
	must(r.t, err)
	var d struct {
		Agent struct {
			Until time.Time `json:"until"`
		} `json:"agent"`
	}
	if err := json.Unmarshal([]byte(res.Out), &d); err != nil || !r.same(p.dn, d.Agent.Until) {
		r.t.Errorf("dn get %s at %s: %v, the wrap-up ended at %v:\n%s%s", p.dn, n.Name(), err, r.ends[p.dn], res.Out, res.Err)
	}
}

// ready waits until every node tells that the agents are ready again, and wants that to be
// at the end and not before.
func (r *room) ready(agents ...phone) {
	r.t.Helper()
	for _, p := range agents {
		for _, n := range r.c.Nodes() {
			eventually(r.t, 3*shortWrapUp, p.dn+" is ready at "+n.Name(), func(ctx context.Context) error {
				d, err := n.Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: p.dn})
				switch {
				case err != nil:
					return err
				case !d.GetRoutable():
					return fmt.Errorf("it is %v", d.GetAgent())
				}
				if early := r.ends[p.dn].Sub(d.GetAgent().GetSince().AsTime()); early > sameEnd {
					r.t.Errorf("%s: %s is ready %v before the end", n.Name(), p.dn, early)
				}
				return nil
			})
		}
	}
}
