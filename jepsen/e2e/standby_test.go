package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// flow is one of the registrations of a phone (RFC 5626), at a node.
func flow(t *testing.T, n *cluster.Node, p phone, no int) *siptest.UA {
	t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: p.dn, Password: p.password, Domain: p.realm, Server: n.Addr(cluster.SIP).String(),
		Params: fmt.Sprintf(`;+sip.instance="<urn:uuid:%s>";reg-id=%d`, p.dn, no)})
	must(t, err)
	t.Cleanup(u.Close)
	refresh(t, u)
	return u
}

func refresh(t *testing.T, u *siptest.UA) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if res, err := u.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
}

// TestStandby_AKilledOwnersDNGoesOn: a phone is registered at two nodes. The one that owns
// its DN is killed: no node tells of an OOS, and a caller at the third gets the phone by the
// other one. When the owner is back it is the owner again, without the phone's doing.
func TestStandby_AKilledOwnersDNGoesOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	ph := phones(t, c.Node(1), "8701", "8702")
	first := flow(t, c.Node(1), ph[0], 1)
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph[:1], c.Nodes()...)
	second := flow(t, c.Node(2), ph[0], 2)
	for _, n := range c.Nodes() {
		eventuallyGet(t, n, "8701", func(d *tcpb.DNStatus) bool { return d.GetOwner() == "n1" && d.GetStandby() == "n2" })
	}
	caller := softUA(t, c.Node(3), ph[1], "udp")
	watch := []*observer{observe(t, c.Node(2)), observe(t, c.Node(3))}
	for range 3 {
		refresh(t, second)
		refresh(t, first)
	}
	began := time.Now()
	c.Node(1).Kill9()
	for _, w := range watch {
		w.waitSeen(t, soon, inServiceAt(c.Node(2)), ph[0])
	}
	t.Logf("the standby has the DN %v after the kill", time.Since(began).Round(time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	call, err := caller.Place(ctx, "sip:8701@"+ph[0].realm)
	must(t, err)
	taken, err := second.Take(ctx)
	must(t, err)
	must(t, taken.Answer())
	if _, err := call.Await(ctx, 200); err != nil {
		t.Fatal(err)
	}
	must(t, call.Ack())
	must(t, c.Node(1).Restart(t.Context()))
	for _, w := range watch {
		w.waitSeen(t, afterCut, inServiceAt(c.Node(1)), ph[0])
		if told := w.told("8701"); fmt.Sprint(told) != "[InSrv at n2, REASON_OWNER_MOVED InSrv at n1, REASON_OWNER_MOVED]" {
			t.Errorf("%s told %q", w.node, told)
		}
	}
	if res, err := call.Bye(ctx); err != nil || res.Code != 200 {
		t.Error(res, err)
	}
}
