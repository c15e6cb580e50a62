package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// row is a DN as an observer was told of it.
type row struct {
	inSrv bool
	owner string
	// in and out are when the latest event of either kind arrived, after the snapshot.
	in, out time.Time
}

// observer is a Stat Server at one node: it follows every DN.
type observer struct {
	node   *cluster.Node
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // after ended

	mu       sync.Mutex
	rows     map[string]*row
	inSrv    int
	peerLost map[string]int // OOS events of reason peer-lost, by owner
	outs     int            // OOS events
	ready    bool           // the snapshot ended
	changed  chan struct{}  // closed and replaced at each batch that somebody waits for
}

// observe connects to the node and returns when the snapshot has ended. No cut
// concerns its connection.
func observe(ctx context.Context, n *cluster.Node) (*observer, error) {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{
		node: n, cancel: cancel, ended: make(chan struct{}), rows: make(map[string]*row),
		peerLost: make(map[string]int), changed: make(chan struct{}),
	}
	go func() {
		defer close(o.ended)
		o.err = o.follow(ctx)
	}()
	_, err := o.await(ctx, 20*time.Second, func() bool { return o.ready })
	if err != nil {
		o.close()
		return nil, fmt.Errorf("snapshot of %s: %w", n.Name(), err)
	}
	return o, nil
}

func (o *observer) close() {
	o.cancel()
	<-o.ended
}

func (o *observer) follow(ctx context.Context) error {
	conn, err := o.node.Dial(cluster.TCPort)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := tcpb.NewAvailabilityClient(conn).Watch(ctx, &tcpb.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		o.take(m, time.Now())
	}
}

func (o *observer) take(m *tcpb.WatchResponse, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case m.GetEndOfSnapshot() != nil:
		o.ready = true
	case m.GetEvents() != nil:
		for _, e := range m.GetEvents().GetEvents() {
			o.event(e, now)
		}
	default:
		return
	}
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *observer) event(e *tcpb.DNEvent, now time.Time) {
	r := o.rows[e.GetDn()]
	if r == nil {
		r = &row{}
		o.rows[e.GetDn()] = r
	}
	was := r.inSrv
	r.inSrv, r.owner = e.GetState() == tcpb.DNState_DN_STATE_IN_SRV, e.GetOwner()
	switch {
	case r.inSrv && !was:
		o.inSrv++
		r.in = now
	case !r.inSrv && was:
		o.inSrv--
		r.out = now
		o.outs++
		if e.GetReason() == tcpb.Reason_REASON_PEER_LOST {
			o.peerLost[r.owner]++
		}
	}
}

// await waits until cond, which is called with the lock held, and returns how
// long it took.
func (o *observer) await(ctx context.Context, within time.Duration, cond func() bool) (time.Duration, error) {
	start := time.Now()
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		o.mu.Lock()
		ok, changed := cond(), o.changed
		o.mu.Unlock()
		if ok {
			return time.Since(start), nil
		}
		select {
		case <-changed:
		case <-o.ended:
			return 0, errors.Join(fmt.Errorf("the stream of %s ended", o.node.Name()), o.err)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-limit.C:
			return 0, fmt.Errorf("observer at %s: not within %v", o.node.Name(), within)
		}
	}
}

// state awaits that all the DNs are in service, or none, and returns when the
// last of them was told of.
func (o *observer) state(ctx context.Context, within time.Duration, inSrv bool, dns []string) (last time.Time, err error) {
	next := 0
	_, err = o.await(ctx, within, func() bool {
		for ; next < len(dns); next++ {
			r := o.rows[dns[next]]
			if r == nil && inSrv || r != nil && r.inSrv != inSrv {
				return false
			}
		}
		// What was seen first may have changed again.
		for _, dn := range dns {
			if r := o.rows[dn]; r != nil && r.inSrv != inSrv {
				next = 0
				return false
			}
		}
		return true
	})
	if err != nil {
		return last, fmt.Errorf("%w: %d of %d DNs are in service there", err, o.count(), len(o.rows))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, dn := range dns {
		if r := o.rows[dn]; r != nil {
			at := r.out
			if inSrv {
				at = r.in
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

func (o *observer) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inSrv
}

// outages is how many DNs went out of service so far, and how many because
// their owner was lost.
func (o *observer) outages() (all, lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.peerLost {
		lost += n
	}
	return o.outs, lost
}
