package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/pace"
)

// sayBusyEvery is how long calls that come and go are gathered before the table
// is told which DNs are busy. Who reserves a DN here sees them at once.
const sayBusyEvery = 20 * time.Millisecond

// Busy counts the calls at a DN that is registered here: one more, or one less.
// Every node learns whether there is any. It does not wait, and changes nothing
// for a DN that another node keeps.
func (reg *Registry) Busy(n dn.Number, more bool) {
	reg.busyMu.Lock()
	if more {
		reg.busy[n]++
	} else if reg.busy[n]--; reg.busy[n] <= 0 {
		delete(reg.busy, n)
	}
	reg.unsaid[n] = struct{}{}
	reg.busyMu.Unlock()
	select {
	case reg.called <- struct{}{}:
	default:
	}
}

// sayBusy keeps the table in agreement with the calls.
func (reg *Registry) sayBusy(ctx context.Context) error {
	p := pace.New(sayBusyEvery)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reg.called:
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
		reg.busyMu.Lock()
		unsaid := reg.unsaid
		reg.unsaid = make(map[dn.Number]struct{}, len(unsaid))
		reg.busyMu.Unlock()
		for n := range unsaid {
			reg.amendBusy(n)
		}
	}
}

func (reg *Registry) amendBusy(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		busy := reg.inCall(n)
		if !ok || r.Busy == busy {
			return
		}
		r.Busy = busy
		if _, ok := reg.table.Amend(r); ok {
			return
		}
	}
}

// inCall tells whether the DN has a call here.
func (reg *Registry) inCall(n dn.Number) bool {
	reg.busyMu.Lock()
	defer reg.busyMu.Unlock()
	return reg.busy[n] > 0
}
