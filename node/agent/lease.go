package agent

import (
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// lostLease is the first one where a reservation comes along from another node and
// that of its holder is lost, as it mostly is when both were one.
const lostLease = 500 * time.Millisecond

// lease is one of a DN's: until when the DN's keeper believes that a holder still wants it.
type lease struct {
	holder string
	ends   time.Time
}

// callPart is in the names of calls that hold.
const callPart = "/call/"

// HolderAt names a session of a node in reservations. It names the node too: that
// renews what the session has.
func HolderAt(node dn.Node, session string) string { return string(node) + "/" + session }

// CallAt names a call that a node places in reservations.
func CallAt(node dn.Node, call string) string { return string(node) + callPart + call }

// CallOf is the call that holds; false for a session.
func CallOf(holder string) (call string, is bool) {
	_, call, is = strings.Cut(holder, callPart)
	return call, is
}

// IsCall tells whether a call holds, not a session.
func IsCall(holder string) bool { _, is := CallOf(holder); return is }

// NodeOf is the node that renews what a holder has.
func NodeOf(holder string) dn.Node {
	node, _, _ := strings.Cut(holder, "/")
	return dn.Node(node)
}

// firstLease is that of a holder of which nothing was heard here yet.
func (reg *Registry) firstLease(holder string) time.Duration {
	if reg.table.Lost(NodeOf(holder)) {
		return lostLease
	}
	return dn.Lease
}

// leased tells whether a holder's lease still runs, or was none yet.
func (s *schedule) leased(n dn.Number, holder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lease(n, holder)
	return l == nil || time.Now().Before(l.ends)
}

// lease finds that of a holder, with s.mu held.
func (s *schedule) lease(n dn.Number, holder string) *lease {
	all := s.leases[n]
	for i := range all {
		if all[i].holder == holder {
			return &all[i]
		}
	}
	return nil
}

// leasesOf a DN are those of the reservations that it has, and of those that were over since.
func (s *schedule) leasesOf(n dn.Number) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.leases[n])
}

// begin begins a holder's lease, with s.mu held.
func (s *schedule) begin(n dn.Number, holder string, ends time.Time) {
	if l := s.lease(n, holder); l != nil {
		l.ends = ends
		return
	}
	s.leases[n] = append(s.leases[n], lease{holder, ends})
}

// renewed begins the holder's lease anew.
func (reg *Registry) renewed(n dn.Number, holder string) {
	reg.schedule.mu.Lock()
	reg.schedule.begin(n, holder, time.Now().Add(dn.Lease))
	reg.schedule.mu.Unlock()
	reg.watchReservation(n)
}

// renewHere renews what is wanted of what this node keeps, and returns the indexes of
// what is over.
func (reg *Registry) renewHere(wanted []hold) (over []uint32) {
	for i, h := range wanted {
		r, ok := reg.kept(h.n)
		if !ok { // another node's word counts
			continue
		}
		if _, has := r.Reserved.Of(h.holder); has {
			reg.renewed(h.n, h.holder)
		} else {
			over = append(over, uint32(i))
		}
	}
	return over
}

// giveBackHere ends what a holder has here.
func (reg *Registry) giveBackHere(h hold) {
	reg.end(h.n, func(r dn.Reservation) bool { return r.Holder == h.holder })
}

func holdsOf(leases []*peerpb.Lease) []hold {
	all := make([]hold, 0, len(leases))
	for _, l := range leases {
		all = append(all, hold{dn.Number(l.GetDn()), l.GetHolder()})
	}
	return all
}

func leasesOf(all []hold) []*peerpb.Lease {
	leases := make([]*peerpb.Lease, 0, len(all))
	for _, h := range all {
		leases = append(leases, &peerpb.Lease{Dn: string(h.n), Holder: h.holder})
	}
	return leases
}
