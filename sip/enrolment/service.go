package enrolment

import (
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
)

// A carrier may answer a REGISTER with the way that requests to it have to take (RFC 3608). It
// is used as long as the registration holds, at the address that said it alone: what it
// names is behind that.

// serviceRoute is the way that an address of a trunk has told of.
type serviceRoute struct {
	at   netip.AddrPort
	list [][]byte
}

// serviceRoutes are those of the trunks at which this node is registered. Calls look here and
// wait for nobody.
type serviceRoutes struct {
	mu sync.RWMutex
	of map[dn.Number]serviceRoute
}

// set notes the way of a trunk; of none there is no entry.
func (s *serviceRoutes) set(n dn.Number, r serviceRoute) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.list) == 0 {
		delete(s.of, n)
		return
	}
	s.of[n] = r
}

func (s *serviceRoutes) get(n dn.Number, at netip.AddrPort) [][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.of[n]; ok && r.at == at {
		return r.list
	}
	return nil
}

// ServiceRoute is the Route with which a request to an address of a trunk begins, nil for
// none: a carrier at which this node is registered wants it so. Nobody may change it.
func (k *Keeper) ServiceRoute(trunk dn.Number, at netip.AddrPort) [][]byte {
	return k.routes.get(trunk, at)
}
