package workload

import (
	"context"
	"fmt"
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
// where it is asked for a call and 200 to OPTIONS, has nobody who listens, and answers 503 to
// everything. Calls have to go on to the carrier's next address.
type Carrier struct {
	*Site
	// Trunk is a DN that has this address alone; every node is asked for its state.
	Trunk string
	// Node in whose site it stands, at a port; nil: every node reaches it, whatever is cut.
	Node *cluster.Node
	Port uint16
	// Turn is how long it does the one and the other, Looks how often nodes are asked.
	Turn, Looks time.Duration
	// Registrar: nodes register at it, for Expires; between its turns it takes that for
	// some turns, or all the time when it is Steady.
	Registrar, Steady bool
	Expires           time.Duration

	conn  net.PacketConn // nil while nobody listens
	how   atomic.Value   // string
	taken sync.WaitGroup
}

var turns = []string{history.SaysNothing, history.TakesNoCall, history.NobodyListens, history.TakesNoCall, history.TakesNothing, history.TakesNoCall}

// Run takes its turns until ctx ends.
func (w *Carrier) Run(ctx context.Context) error {
	var looking sync.WaitGroup
	defer looking.Wait()
	for _, n := range w.Cluster.Nodes() {
		looking.Go(func() { every(ctx, w.Looks, func(ctx context.Context) { w.look(ctx, n) }) })
	}
	defer func() { _ = w.turns(history.NobodyListens) }()
	r := w.random("carrier-" + w.Trunk)
	for i := 0; ctx.Err() == nil; i++ {
		how := w.turnOf(i)
		if err := w.turns(how); err != nil {
			return err
		}
		if w.Steady {
			<-ctx.Done()
		}
		for range w.lasts(how) {
			pause(ctx, between(r, w.Turn*3/4, w.Turn*5/4))
		}
	}
	return nil
}

// turns has it do something else from now on.
func (w *Carrier) turns(how string) error {
	op := w.Record.Invoke(history.Op{Kind: history.CarrierTurn, Process: "carrier-" + w.Trunk, Node: w.where(), Key: w.Trunk, Arg: how})
	if err := w.turn(how); err != nil {
		return err
	}
	op.Outcome = history.OK
	w.Record.Return(op)
	return nil
}

// turnOf is what it does at its turn i, lasts for how many it does that.
func (w *Carrier) turnOf(i int) string {
	if w.Registrar {
		return [...]string{history.TakesAll, history.SaysNothing, history.TakesAll, history.TakesNothing, history.TakesAll, history.NobodyListens}[i%6]
	}
	return turns[i%len(turns)]
}

func (w *Carrier) lasts(how string) int {
	if how == history.TakesAll {
		return 12
	}
	return 1
}

func (w *Carrier) turn(how string) error {
	w.how.Store(how)
	if how == history.NobodyListens {
		w.close()
		return nil
	}
	if w.conn != nil {
		return nil
	}
	return w.open()
}

func (w *Carrier) open() error {
	place := w.place()
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

func (w *Carrier) place() *cluster.Place {
	if w.Node == nil {
		return w.Cluster.Visitor()
	}
	return w.Node.Phones()
}

func (w *Carrier) where() string {
	if w.Node == nil {
		return history.Outside
	}
	return w.Node.Name()
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
		request, how := string(buf[:n]), w.how.Load()
		status := "200 OK"
		if strings.HasPrefix(request, "INVITE ") || how == history.TakesNothing {
			status = "503 Service Unavailable"
		}
		if how == history.SaysNothing || strings.HasPrefix(request, "ACK ") {
			continue
		}
		answer := carrierAnswer(request, status)
		if w.Registrar && how == history.TakesAll && strings.HasPrefix(request, "REGISTER ") {
			answer = w.enrol(request)
		}
		_, _ = conn.WriteTo([]byte(answer), from) // what is lost is asked for again
	}
}

// enrol takes a REGISTER, and returns the answer.
func (w *Carrier) enrol(request string) string {
	contact := headerOf(request, "contact")
	op := history.Op{Kind: history.CarrierEnrol, Process: "registrar-" + w.Trunk, Node: w.nodeAt(contact), Key: w.Trunk, Arg: contact}
	line := "Expires: 0"
	if headerOf(request, "expires") != "0" {
		op.Expires = w.Expires
		line = fmt.Sprintf("Contact: %s;expires=%d", contact, w.Expires/time.Second)
	}
	op = w.Record.Invoke(op)
	op.Outcome = history.OK
	w.Record.Return(op)
	return carrierAnswer(request, "200 OK", line)
}

// carrierAnswer is the answer to a request, by its own header lines and others.
func carrierAnswer(request, status string, more ...string) string {
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
	return strings.Join(append(append(lines, more...), "Content-Length: 0", "", ""), "\r\n")
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
