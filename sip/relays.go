package sip

import "sync"

// relays are the requests within calls that went over a connection and have no
// answer yet. They fail when it ends.
type relays struct {
	mu   sync.Mutex
	open map[*relay]struct{}
	over bool
}

// add is false when the connection has ended.
func (r *relays) add(x *relay) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	if r.open == nil {
		r.open = map[*relay]struct{}{}
	}
	r.open[x] = struct{}{}
	return true
}

func (r *relays) remove(x *relay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, x)
}

func (r *relays) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// end lets all fail. The caller holds the lock of no shard.
func (r *relays) end() {
	r.mu.Lock()
	open := r.open
	r.open, r.over = nil, true
	r.mu.Unlock()
	for x := range open {
		x.cutOff()
	}
}

// over binds the relay to the connection that it went over; false when that is
// gone.
func (x *relay) over(to *hop) bool {
	if !to.Reliable() {
		return true
	}
	f := to.s.flows.get(flowKey{to.transport, to.addr})
	if f == nil || !f.relays.add(x) {
		return false
	}
	x.flow = f
	return true
}

// settled lets go of timer C and the connection.
func (x *relay) settled() {
	x.timerC.Stop()
	if x.flow != nil {
		x.flow.relays.remove(x)
		x.flow = nil
	}
}

// cutOff is called when the connection ended.
func (x *relay) cutOff() {
	x.sh.Lock()
	defer x.sh.Unlock()
	if x.flow == nil {
		return // the answer was faster
	}
	x.client.Terminate()
	x.fail(480, "The other party's connection is gone")
}
