package session

import "github.com/sipcluster/sipcluster/node/dn"

// Busy says that a call is at a DN which is registered here, or none any more.
// Every node learns of it. It does not wait, and changes nothing for a DN that
// another node keeps.
func (o *Owner) Busy(n dn.Number, busy bool) {
	for range maxAmends {
		r, ok := o.kept(n)
		if !ok || r.Busy == busy {
			return
		}
		r.Busy = busy
		if _, ok := o.table.Amend(r); ok {
			return
		}
	}
}
