package workload

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Carrier is a carrier's address that takes no call: in turns it says nothing, answers 503
// where it is asked for a call and 200 to OPTIONS, and has nobody who listens. Calls have to
// go on to the carrier's next address.
type Carrier struct {
	*Site
	// Trunk is a DN that has this address alone; every node is asked for its state.
	Trunk string
	// Node in whose site it stands, at a port.
	Node *cluster.Node
	Port uint16
	// Turn is how long it does the one and the other, Looks how often nodes are asked.
	Turn, Looks time.Duration

	ua *siptest.UA // nil while nobody listens
}

// Run takes its turns until ctx ends.
func (w *Carrier) Run(ctx context.Context) error {
	var looking sync.WaitGroup
	defer looking.Wait()
	for _, n := range w.Cluster.Nodes() {
		looking.Go(func() { every(ctx, w.Looks, func(ctx context.Context) { w.look(ctx, n) }) })
	}
	defer w.close()
	r := w.random("carrier-" + w.Trunk)
	for i := 0; ctx.Err() == nil; i++ {
		how := [...]string{history.SaysNothing, history.TakesNoCall, history.NobodyListens, history.TakesNoCall}[i%4]
		op := w.Record.Invoke(history.Op{Kind: history.CarrierTurn, Process: "carrier-" + w.Trunk, Node: w.Node.Name(), Home: w.Node.Name(), Key: w.Trunk, Arg: how})
		if err := w.turn(how); err != nil {
			return err
		}
		op.Outcome = history.OK
		w.Record.Return(op)
		pause(ctx, between(r, w.Turn*3/4, w.Turn*5/4))
	}
	return nil
}

func (w *Carrier) turn(how string) error {
	if how == history.NobodyListens {
		w.close()
		return nil
	}
	if w.ua == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	w.ua.Mute(how == history.SaysNothing)
	return nil
}

func (w *Carrier) open() error {
	place := w.Node.Phones()
	return place.Visit(func() error {
		ua, err := siptest.NewUA(siptest.Config{
			DN: w.Trunk, Domain: w.Realm, Local: netip.AddrPortFrom(place.IP(), w.Port).String(), Server: w.Node.Addr(cluster.SIP).String(),
		})
		if err != nil {
			return err
		}
		ua.OnRequest(func(m *siptest.Message) bool {
			return m.Method == "INVITE" && ua.Respond(m, 503, "Service Unavailable", "carrier") == nil
		})
		w.ua = ua
		return nil
	})
}

func (w *Carrier) close() {
	if w.ua != nil {
		w.ua.Close()
		w.ua = nil
	}
}

// look asks a node whether the trunk is in service.
func (w *Carrier) look(ctx context.Context, n *cluster.Node) {
	if !n.Running() {
		return
	}
	op := w.Record.Invoke(history.Op{Kind: history.TrunkLook, Process: "look-" + w.Trunk + "-" + n.Name(), Node: n.Name(), Key: w.Trunk})
	asked, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	d, err := n.Availability().GetDN(asked, &tcpb.GetDNStatusRequest{Dn: w.Trunk})
	switch {
	case err != nil:
		op.Outcome, op.Error = history.Fail, err.Error()
	case d.GetKind() != configpb.DNKind_DN_KIND_TRUNK: // the node's copy of the configuration has none yet
		op.Outcome = history.Fail
	default:
		op.Outcome, op.Result = history.OK, map[bool]string{true: history.Reached, false: history.Unreached}[d.GetState() == tcpb.DNState_DN_STATE_IN_SRV]
	}
	w.Record.Return(op)
}
