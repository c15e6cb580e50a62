package sip

import (
	"context"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
)

// busy counts the calls that this node delivers to each DN, and tells when the
// first begins and the last ends.
type busy struct {
	tell func(dn.Number, bool)
	wake chan struct{}

	mu    sync.Mutex
	calls map[dn.Number]int
	told  map[dn.Number]bool     // those that were told to be up
	dirty map[dn.Number]struct{} // to be looked at
}

func newBusy(tell func(dn.Number, bool)) *busy {
	return &busy{tell: tell, wake: make(chan struct{}, 1), calls: map[dn.Number]int{}, told: map[dn.Number]bool{}, dirty: map[dn.Number]struct{}{}}
}

// begin counts a call; the function that it returns ends it, once.
func (b *busy) begin(n dn.Number) (end func()) {
	b.add(n, 1)
	var once sync.Once
	return func() { once.Do(func() { b.add(n, -1) }) }
}

func (b *busy) add(n dn.Number, by int) {
	if b.tell == nil {
		return
	}
	b.mu.Lock()
	if b.calls[n] += by; b.calls[n] == 0 {
		delete(b.calls, n)
	}
	b.dirty[n] = struct{}{}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run tells, one after the other, until ctx ends.
func (b *busy) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		for n, up := range b.news() {
			b.tell(n, up)
		}
	}
}

func (b *busy) news() map[dn.Number]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := map[dn.Number]bool{}
	for n := range b.dirty {
		up := b.calls[n] > 0
		if up == b.told[n] {
			continue
		}
		if news[n] = up; up {
			b.told[n] = true
		} else {
			delete(b.told, n)
		}
	}
	clear(b.dirty)
	return news
}
