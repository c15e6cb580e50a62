package session

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
func (o *Owner) Busy(n dn.Number, more bool) {
	o.busyMu.Lock()
	if more {
		o.busy[n]++
	} else if o.busy[n]--; o.busy[n] <= 0 {
		delete(o.busy, n)
	}
	o.unsaid[n] = struct{}{}
	o.busyMu.Unlock()
	select {
	case o.called <- struct{}{}:
	default:
	}
}

// sayBusy keeps the table in agreement with the calls.
func (o *Owner) sayBusy(ctx context.Context) error {
	p := pace.New(sayBusyEvery)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.called:
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
		o.busyMu.Lock()
		unsaid := o.unsaid
		o.unsaid = make(map[dn.Number]struct{}, len(unsaid))
		o.busyMu.Unlock()
		for n := range unsaid {
			o.amendBusy(n)
		}
	}
}

func (o *Owner) amendBusy(n dn.Number) {
	for range maxAmends {
		r, ok := o.kept(n)
		busy := o.inCall(n)
		if !ok || r.Busy == busy {
			return
		}
		r.Busy = busy
		if _, ok := o.table.Amend(r); ok {
			return
		}
	}
}

// inCall tells whether the DN has a call here.
func (o *Owner) inCall(n dn.Number) bool {
	o.busyMu.Lock()
	defer o.busyMu.Unlock()
	return o.busy[n] > 0
}
