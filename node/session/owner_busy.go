package session

import "github.com/sipcluster/sipcluster/node/dn"

// Busy counts the calls at a DN that is registered here: one more, or one less.
// Every node learns whether there is any. It does not wait, and changes nothing
// for a DN that another node keeps.
func (o *Owner) Busy(n dn.Number, more bool) {
	o.mu.Lock()
	if more {
		o.busy[n]++
	} else if o.busy[n]--; o.busy[n] <= 0 {
		delete(o.busy, n)
	}
	o.mu.Unlock()
	for range maxAmends {
		r, ok := o.kept(n)
		busy := o.calls(n) > 0 // the last one who looks sets it right
		if !ok || r.Busy == busy {
			return
		}
		r.Busy = busy
		if _, ok := o.table.Amend(r); ok && o.calls(n) > 0 == busy {
			return
		}
	}
}

func (o *Owner) calls(n dn.Number) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.busy[n]
}
