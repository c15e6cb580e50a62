package siptest

import (
	"sync"
	"time"
)

// repeats is what a UA with Config.Repeats sends again over UDP, as RFC 3261 §17.1 and
// §13.3.1.4 have it: what datagrams a flood made the other side lose comes again.
type repeats struct {
	mu sync.Mutex
	// over are the transactions that have what they waited for, by branch, and the calls
	// whose 2xx was acknowledged, by Call-ID and tag.
	over map[string]bool
	acks map[string][]byte // of a 2xx, by the INVITE's branch
}

// end notes that nothing of a transaction or a 2xx goes again.
func (r *repeats) end(of string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over[of] = true
}

func (r *repeats) ended(of string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over[of]
}

// again sends a text again, less and less often, until what it is about has ended.
func (u *UA) again(of string, text []byte) {
	if !u.cfg.Repeats || u.cfg.Transport != "udp" {
		return
	}
	const t1, t2 = 500 * time.Millisecond, 4 * time.Second
	go func() {
		for after := t1; !u.repeats.ended(of); after = min(2*after, t2) {
			t := time.NewTimer(after)
			select {
			case <-u.done:
				t.Stop()
				return
			case <-t.C:
			}
			if !u.repeats.ended(of) {
				_, _ = u.conn.Write(text) // it goes again
			}
		}
	}()
}

// acknowledges keeps the ACK of a 2xx, for when that comes again.
func (u *UA) acknowledges(branch string, ack []byte) {
	u.repeats.mu.Lock()
	defer u.repeats.mu.Unlock()
	u.repeats.acks[branch] = ack
}

// answered notes a response to what was sent.
func (u *UA) answered(branch, method string, code int) {
	if code >= 200 || method == "INVITE" {
		u.repeats.end(branch)
	}
	u.repeats.mu.Lock()
	ack := u.repeats.acks[branch]
	u.repeats.mu.Unlock()
	if u.cfg.Repeats && ack != nil && method == "INVITE" && code/100 == 2 {
		_, _ = u.conn.Write(ack) // it comes again otherwise
	}
}
