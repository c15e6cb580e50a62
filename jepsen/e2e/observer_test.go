package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// observer is a Stat Server: it watches a node's TCport and keeps everything
// it was told.
type observer struct {
	node string
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each message
	started *tcpb.WatchStarted
	whole   bool // the snapshot ended, or none was due
	changes []*tcpb.DNEvent
	state   map[string]seen
	fresh   map[string]bool // rows of the snapshot that is being read
	head    uint64
	cursor  []byte
	err     error
}

// observe watches the node until the test or stop ends it, and waits for the
// first snapshot.
func observe(t *testing.T, n *cluster.Node) *observer {
	t.Helper()
	return observeFrom(t, n, &tcpb.WatchRequest{})
}

func observeFrom(t *testing.T, n *cluster.Node, req *tcpb.WatchRequest) *observer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := &observer{node: n.Name(), stop: cancel, done: make(chan struct{}),
		changed: make(chan struct{}), state: map[string]seen{}}
	stream, err := n.Availability().Watch(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(o.done)
		for {
			msg, err := stream.Recv()
			if o.take(msg, err); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-o.done
		o.mu.Lock()
		defer o.mu.Unlock()
		if code := status.Code(o.err); code != codes.Canceled && code != codes.Unavailable {
			t.Errorf("watch of %s ended: %v", o.node, o.err)
		}
	})
	o.wait(t, soon, "the snapshot", func() bool { return o.whole })
	return o
}

func (o *observer) take(msg *tcpb.WatchResponse, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer func() { close(o.changed); o.changed = make(chan struct{}) }()
	if err != nil {
		o.err = err
		return
	}
	switch body := msg.GetBody().(type) {
	case *tcpb.WatchResponse_Started:
		o.started, o.whole, o.fresh = body.Started, body.Started.GetResumed(), map[string]bool{}
	case *tcpb.WatchResponse_Events:
		o.goesOn(body.Events.GetCursor())
		for _, e := range body.Events.GetEvents() {
			o.event(e)
		}
	case *tcpb.WatchResponse_EndOfSnapshot:
		o.endOfSnapshot()
		o.head = max(o.head, body.EndOfSnapshot.GetSeq())
		o.goesOn(body.EndOfSnapshot.GetCursor())
	case *tcpb.WatchResponse_Heartbeat:
		o.head = max(o.head, body.Heartbeat.GetSeq())
		o.goesOn(body.Heartbeat.GetCursor())
	}
}

func (o *observer) goesOn(cursor []byte) {
	if len(cursor) > 0 {
		o.cursor = cursor
	}
}

func (o *observer) event(e *tcpb.DNEvent) {
	o.state[e.GetDn()] = seen{e.GetState(), e.GetOwner()}
	if e.GetSnapshot() {
		o.fresh[e.GetDn()] = true
		return
	}
	if e.GetSeq() <= o.head {
		o.err = fmt.Errorf("event %d came after %d", e.GetSeq(), o.head)
	}
	o.head = e.GetSeq()
	o.changes = append(o.changes, e)
}

func (o *observer) endOfSnapshot() {
	for dn := range o.state {
		if !o.fresh[dn] {
			delete(o.state, dn)
		}
	}
	o.whole = true
}

// wait blocks until cond holds; cond runs under the observer's lock.
func (o *observer) wait(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		o.mu.Lock()
		ok, changed, err := cond(), o.changed, o.err
		o.mu.Unlock()
		if ok {
			return
		}
		if err != nil {
			t.Fatalf("watch of %s: %v", o.node, err)
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("watch of %s: %s: not within %v", o.node, what, within)
		}
	}
}

// waitSeen blocks until the watch has told so of all the phones' DNs.
func (o *observer) waitSeen(t *testing.T, within time.Duration, want seen, phones ...phone) {
	t.Helper()
	o.wait(t, within, fmt.Sprintf("%d DNs are %v", len(phones), want), func() bool {
		for _, p := range phones {
			if o.state[p.dn] != want {
				return false
			}
		}
		return true
	})
}

// counts blocks until the watch has told so of all the phones' DNs and has it count
// from there. A register returns when the owner knows: another node's
// snapshot may have come before, and what that node learnt then is not what a
// test asks for.
func (o *observer) counts(t *testing.T, want seen, phones ...phone) {
	t.Helper()
	o.waitSeen(t, soon, want, phones...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changes = nil
}

// told returns the changes of a DN, without snapshots, in the order in which
// they came, in words.
func (o *observer) told(dn string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, e := range o.changes {
		if e.GetDn() == dn {
			out = append(out, fmt.Sprintf("%v, %v", seen{e.GetState(), e.GetOwner()}, e.GetReason()))
		}
	}
	return out
}

// expectSilence fails the test when any change of the phones' DNs was told.
func (o *observer) expectSilence(t *testing.T, phones ...phone) {
	t.Helper()
	for _, p := range phones {
		if told := o.told(p.dn); len(told) > 0 {
			t.Errorf("%s told of DN %s: %q; want nothing", o.node, p.dn, told)
		}
	}
}

// position is where a later watch can go on.
func (o *observer) position() (incarnation uint64, cursor []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.started.GetIncarnation(), o.cursor
}
