package dev

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// witness follows one node's TCport, as a Stat Server does, and tells when it
// heard what.
type witness struct {
	node   devNode
	client *client.Client
	heard  chan heard
	// failed gets the error that ended the stream.
	failed chan error
}

// heard is an event with the moment of its arrival.
type heard struct {
	event *tcpb.DNEvent
	at    time.Time
}

// newWitness connects and waits for the end of the snapshot.
func newWitness(ctx context.Context, as *credential.Context, n devNode) (*witness, error) {
	cl, err := connect(as, n.TCAddr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	w := &witness{node: n, client: cl, heard: make(chan heard, 1024), failed: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { w.failed <- w.follow(ctx, ready) }()
	select {
	case <-ready:
		return w, nil
	case err := <-w.failed:
		return nil, cl.Explain(err)
	}
}

// follow passes on what comes behind the snapshot.
func (w *witness) follow(ctx context.Context, ready chan<- struct{}) error {
	stream, err := w.client.Availability.Watch(ctx, &tcpb.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		now := time.Now()
		if m.GetEndOfSnapshot() != nil {
			close(ready)
			ready = nil
		}
		for _, e := range m.GetEvents().GetEvents() {
			if !e.Snapshot {
				w.heard <- heard{e, now}
			}
		}
		if m.GetStarted() != nil && ready == nil {
			return fmt.Errorf("node %s restarted its stream", w.node.Name)
		}
	}
}

// expect waits for one event and wants it to be of the DN and the state: any
// other event on the way is a fault.
func (w *witness) expect(ctx context.Context, dn string, state tcpb.DNState, within time.Duration) (heard, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	want := fmt.Sprintf("%s %s", dn, view.StateName(state))
	select {
	case h := <-w.heard:
		if h.event.Dn != dn || h.event.State != state {
			return h, fmt.Errorf("node %s sent %s, want %s", w.node.Name, said(h.event), want)
		}
		return h, nil
	case <-timer.C:
		return heard{}, fmt.Errorf("node %s did not report %s within %v", w.node.Name, want, within)
	case err := <-w.failed:
		return heard{}, fmt.Errorf("node %s: %w", w.node.Name, w.client.Explain(err))
	case <-ctx.Done():
		return heard{}, ctx.Err()
	}
}

// knowsStandby waits until the node knows of a DN's second registration, of which it tells no event.
func (w *witness) knowsStandby(ctx context.Context, dn string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := w.client.Availability.GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: dn})
		if err == nil && d.GetStandby() != "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("node %s does not know who stands by for %s: %w", w.node.Name, dn, cmp.Or(err, ctx.Err()))
		}
	}
}

// silent tells whether the node has nothing more to say at this moment.
func (w *witness) silent() error {
	select {
	case h := <-w.heard:
		return fmt.Errorf("node %s sent an unexpected %s", w.node.Name, said(h.event))
	default:
		return nil
	}
}

func said(e *tcpb.DNEvent) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Dn, view.StateName(e.State), view.ReasonName(e.Reason)))
}

// routable asks the node where calls can be sent to.
func (w *witness) routable(ctx context.Context) ([]string, error) {
	dns, _, err := w.client.Page(ctx, &tcpb.Filter{}, true, 0, "")
	var numbers []string
	for _, d := range dns {
		numbers = append(numbers, d.Dn)
	}
	return numbers, err
}
