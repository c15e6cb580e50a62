package peer

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// Streams of a pair. With fewer than sixteen the share of the calls that chance
	// puts on one of them would often be more than an eighth.
	Streams = 16
	// hopeFor is how long what is sent waits for a stream after a peer was heard of.
	hopeFor = time.Second
	// togetherEnd is how long streams may take to end together, before Changed is told.
	togetherEnd = 10 * time.Millisecond
	// A stream is dialled again after minPause, then less and less often.
	minPause, maxPause = 50 * time.Millisecond, 500 * time.Millisecond
)

var errNone = errors.New("sip: no stream to the peer stands")

// pair is this node and one peer.
type pair struct {
	node    dn.Node
	changed wake.Signal // what is under way may be lost, or there is a way again
	again   wake.Signal // the peer is there: dial it now

	mu      sync.Mutex
	streams [Streams]*stream
	up      int
	stands  chan struct{} // closed while a stream stands
	lanes   lanes
	heard   atomic.Int64 // when something came last, ns since lanes.began
	waiting []waiting    // until hope ends
	weight  int          // of them
	hope    *time.Timer  // nil without
	unsure  bool         // since no stream stands something was lost or refused
	ended   bool
	cancel  context.CancelFunc // of its goroutines; nil before they run
}

// waiting is a message of a group that waits for a stream.
type waiting struct {
	group   uint16
	message []byte
}

func newPair(node dn.Node) *pair {
	p := &pair{node: node, changed: wake.New(), again: wake.New(), stands: make(chan struct{})}
	p.lanes.began = time.Now()
	p.lanes.heard = func() time.Duration { return time.Duration(p.heard.Load()) }
	p.lanes.look = func(slot uint8) (uint32, bool) {
		if s := p.streams[slot]; s != nil {
			return s.arrived()
		}
		return 0, false
	}
	return p
}

// spoke notes that the peer has.
func (p *pair) spoke() { p.heard.Store(int64(time.Since(p.lanes.began))) }

// send hands a message to a stream. Who gets that has to flush it.
func (p *pair) send(group uint16, b []byte, round uint64) (*stream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up > 0 {
		first := p.lanes.way(group, round)
		for i := range uint8(Streams) {
			slot := (first + i) % Streams
			s := p.streams[slot]
			if s == nil {
				continue
			}
			err := s.add(b)
			if err == nil {
				p.lanes.goes(group, slot)
			}
			if !errors.Is(err, errEnded) {
				return s, err
			}
		}
	}
	if p.hope == nil || p.weight+len(b) > MaxQueued {
		p.unsure = true
		return nil, errNone
	}
	p.waiting, p.weight = append(p.waiting, waiting{group, append([]byte(nil), b...)}), p.weight+len(b)
	return nil, nil
}

// standing tells whether there is a stream.
func (p *pair) standing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up > 0 || p.hope != nil
}

// expect has what is sent wait for a while: the peer is there, streams will come.
func (p *pair) expect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up == 0 && p.hope == nil && !p.ended {
		p.hope = time.AfterFunc(hopeFor, p.giveUp)
	}
	p.again.Send()
}

// giveUp drops what has waited in vain.
func (p *pair) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hope != nil {
		p.drop()
		p.unsure = true
		p.changed.Send()
	}
}

// drop ends hope; the caller holds mu.
func (p *pair) drop() {
	if p.hope != nil {
		p.hope.Stop()
	}
	p.hope, p.waiting, p.weight = nil, nil, 0
}

// attach takes a stream in, in place of the one that was there.
func (p *pair) attach(slot uint8, s *stream) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	if old := p.streams[slot]; old != nil {
		old.end() // its reader detaches nothing any more
		p.changed.Send()
	} else if p.up++; p.up == 1 {
		close(p.stands)
		if p.unsure {
			p.unsure = false
			p.changed.Send()
		}
		select {
		case <-p.again: // it was
		default:
		}
	}
	p.streams[slot] = s
	p.lanes.changed(slot)
	for _, w := range p.waiting {
		_ = s.add(w.message) // it has room for them
		p.lanes.goes(w.group, slot)
	}
	p.drop()
	s.flush()
	return true
}

// detach forgets a stream that has ended.
func (p *pair) detach(slot uint8, s *stream) {
	s.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[slot] != s {
		return
	}
	p.streams[slot] = nil
	p.lanes.changed(slot)
	if p.up--; p.up == 0 {
		p.stands, p.unsure = make(chan struct{}), true
	}
	p.changed.Send()
}

// renewFor bounds how long a stream may take to stand anew before the next one is ended.
const renewFor = 2 * maxPause

// renew ends the streams one by one; who dials them does so again.
func (p *pair) renew(ctx context.Context) {
	for slot := range uint8(Streams) {
		p.mu.Lock()
		old, alone := p.streams[slot], p.up < 2
		p.mu.Unlock()
		if old == nil || alone {
			continue
		}
		old.end()
		p.stood(ctx, slot, old)
		if ctx.Err() != nil {
			return
		}
	}
}

// stood waits until another stream stands in the place of the old one.
func (p *pair) stood(ctx context.Context, slot uint8, old *stream) {
	ctx, cancel := context.WithTimeout(ctx, renewFor)
	defer cancel()
	tick := time.NewTicker(minPause / 5)
	defer tick.Stop()
	for {
		p.mu.Lock()
		s := p.streams[slot]
		p.mu.Unlock()
		if s != nil && s != old {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// end closes all streams and takes no other.
func (p *pair) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.drop()
	for _, s := range p.streams {
		if s != nil {
			s.end()
		}
	}
	if p.cancel != nil {
		p.cancel()
	}
}

// queued is how much waits.
func (p *pair) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.weight
	for _, s := range p.streams {
		if s != nil {
			n += s.queued()
		}
	}
	return n
}

// count is how many streams stand.
func (p *pair) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// tell tells of changes, until ctx ends: once of all that come together.
func (p *pair) tell(ctx context.Context, changed func(dn.Node)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		}
		t := time.NewTimer(togetherEnd)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		changed(p.node)
	}
}

// turn waits until a slot is to be dialled: the first one always, the others when a
// stream stands, so that a peer which is away is tried by one of them.
func (p *pair) turn(ctx context.Context, slot uint8) {
	if slot == 0 {
		return
	}
	p.mu.Lock()
	stands := p.stands
	p.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-stands:
	}
}

// keep keeps the stream of a slot that this node dials, until ctx ends.
func (p *pair) keep(ctx context.Context, slot uint8, dial func(context.Context) (net.Conn, error), run func(net.Conn)) {
	pause := minPause
	for {
		p.turn(ctx, slot)
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		if c, err := dial(ctx); err == nil {
			run(c)
		}
		if time.Since(began) > maxPause {
			pause = minPause
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-p.again:
			pause = minPause
		case <-t.C:
			pause = min(2*pause, maxPause)
		}
		t.Stop()
	}
}
