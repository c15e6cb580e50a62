package agent

import (
	"context"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/pace"
)

// sayBusyEvery is how long calls that come and go are gathered before the table
// is told which DNs are busy. Who reserves a DN here sees them at once.
const sayBusyEvery = 20 * time.Millisecond

// busyCounts are the calls at the DNs that are registered here.
type busyCounts struct {
	mu     sync.Mutex
	calls  map[dn.Number]int
	unsaid map[dn.Number]struct{} // those whose calls have changed since the table was told
	wake   wake.Signal            // the one that tells it
}

func newBusyCounts() *busyCounts {
	return &busyCounts{calls: map[dn.Number]int{}, unsaid: map[dn.Number]struct{}{}, wake: wake.New()}
}

func (b *busyCounts) count(n dn.Number, more bool) {
	b.mu.Lock()
	if more {
		b.calls[n]++
	} else if b.calls[n]--; b.calls[n] <= 0 {
		delete(b.calls, n)
	}
	b.unsaid[n] = struct{}{}
	b.mu.Unlock()
	b.wake.Send()
}

// take is what is unsaid.
func (b *busyCounts) take() map[dn.Number]struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	unsaid := b.unsaid
	b.unsaid = make(map[dn.Number]struct{}, len(unsaid))
	return unsaid
}

// at tells whether the DN has a call here.
func (b *busyCounts) at(n dn.Number) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[n] > 0
}

// Busy counts the calls at a DN that is registered here: one more, or one less.
// Every node learns whether there is any. It does not wait, and changes nothing
// for a DN that another node keeps.
func (reg *Registry) Busy(n dn.Number, more bool) { reg.busy.count(n, more) }

// sayBusy keeps the table in agreement with the calls.
func (reg *Registry) sayBusy(ctx context.Context) error {
	p := pace.New(sayBusyEvery)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reg.busy.wake:
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
		for n := range reg.busy.take() {
			reg.amendBusy(n)
		}
	}
}

func (reg *Registry) amendBusy(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		busy := reg.busy.at(n)
		if !ok || r.Busy == busy {
			return
		}
		r.Busy = busy
		if _, ok := reg.table.Amend(r); ok {
			return
		}
	}
}
