package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// watched counts what a client of a node is told: DNs that went out of service, and
// DNs that moved to n1.
type watched struct{ outs, moves atomic.Int64 }

func (m *member) watched(t *testing.T) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := tcpb.NewAvailabilityClient(m.tc).Watch(ctx, &tcpb.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{}
	listening := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		ready := sync.OnceFunc(func() { close(listening) })
		defer ready()
		for rows := true; ; {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			if r.GetEndOfSnapshot() != nil {
				rows = false
				ready()
			}
			for _, e := range r.GetEvents().GetEvents() {
				switch {
				case rows:
				case e.GetState() == tcpb.DNState_DN_STATE_OOS:
					w.outs.Add(1)
				case e.GetOwner() == "n1":
					w.moves.Add(1)
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	<-listening
	return w
}

// Phones by the hundred, and a desktop, stay in service at every node while theirs
// drains and takes part again, and while they move; when a drain is over
// nothing is left.
func TestDrain_LosesNobody(t *testing.T) {
	const phones = 200
	a, b := twoNodes(t, nil)
	all := []*member{a, b}
	mutations := []*configpb.Mutation{putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+492001"})}
	for i := range phones {
		mutations = append(mutations, phoneDN(fmt.Sprint(10000+i)))
	}
	a.write(t, all, mutations...)
	uas := make([]*siptest.UA, phones)
	for i := range uas {
		uas[i] = b.phone(t, fmt.Sprint(10000+i))
	}
	gateway := opened(t, b.cfg.TCAddr)
	if _, err := gateway.RegisterAddress(t.Context(), "2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	await(t, "n1 has them all", func() bool { return a.status(t).GetDns().GetInService() == phones+1 })
	watchers := []*watched{a.watched(t), b.watched(t)}
	cluster := tcpb.NewClusterClient(a.tc)
	drain := func(undo bool) {
		t.Helper()
		if _, err := cluster.DrainNode(t.Context(), &tcpb.DrainNodeRequest{Name: "n2", Undo: undo}); err != nil {
			t.Fatal(err)
		}
		await(t, "n2 knows", func() bool { return b.status(t).GetDraining() != undo })
	}
	for range 3 {
		drain(false)
		if r := registers(t, uas[0]); r.Code != 503 {
			t.Errorf("a refresh got %d", r.Code)
		}
		drain(true)
	}
	watch, err := cluster.WatchNode(t.Context(), &tcpb.WatchNodeRequest{Name: "n2"})
	if err != nil {
		t.Fatal(err)
	}
	drain(false)
	for hears(t, gateway, tlibpb.Message_MESSAGE_EVENT_NODE_DRAINING).GetNodeDraining().GetUndone() {
		continue // those before
	}
	for i := range uas {
		a.phone(t, fmt.Sprint(10000+i))
	}
	if _, err := opened(t, a.cfg.TCAddr).RegisterAddress(t.Context(), "2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetLeft() == 0 {
			if m.GetMoved() != phones+1 || m.GetCalls() != 0 || !m.GetDraining() || !m.GetHeard() {
				t.Errorf("at the end %v", m)
			}
			break
		}
	}
	for i, w := range watchers {
		await(t, all[i].cfg.Name+" has told of all moves", func() bool { return w.moves.Load() == phones+1 })
		if n := w.outs.Load(); n != 0 {
			t.Errorf("at %s %d DNs were out of service", all[i].cfg.Name, n)
		}
	}
}
