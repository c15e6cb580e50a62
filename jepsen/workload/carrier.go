package workload

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
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

	conn  net.PacketConn // nil while nobody listens
	mute  atomic.Bool
	taken sync.WaitGroup
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
	w.mute.Store(how == history.SaysNothing)
	if w.conn != nil {
		return nil
	}
	return w.open()
}

func (w *Carrier) open() error {
	place := w.Node.Phones()
	err := place.Visit(func() (err error) {
		w.conn, err = net.ListenPacket("udp", netip.AddrPortFrom(place.IP(), w.Port).String())
		return err
	})
	if err == nil {
		conn := w.conn // which close forgets
		w.taken.Go(func() { w.serve(conn) })
	}
	return err
}

func (w *Carrier) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
	w.taken.Wait()
}

// serve answers whoever asks, from any node.
func (w *Carrier) serve(conn net.PacketConn) {
	for buf := make([]byte, 1<<16); ; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		request := string(buf[:n])
		status := map[bool]string{true: "503 Service Unavailable", false: "200 OK"}[strings.HasPrefix(request, "INVITE ")]
		if !w.mute.Load() && !strings.HasPrefix(request, "ACK ") {
			_, _ = conn.WriteTo([]byte(carrierAnswer(request, status)), from) // what is lost is asked for again
		}
	}
}

// carrierAnswer is the answer to a request, by its own header lines.
func carrierAnswer(request, status string) string {
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	lines := []string{"SIP/2.0 " + status}
	for _, line := range strings.Split(head, "\r\n")[1:] {
		switch name, _, _ := strings.Cut(line, ":"); strings.ToLower(name) {
		case "via", "from", "call-id", "cseq":
			lines = append(lines, line)
		case "to":
			lines = append(lines, line+";tag=carrier")
		}
	}
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
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
