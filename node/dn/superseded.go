package dn

import (
	"context"
	"sync"

	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/internal/wake"
)

// Superseding says that a peer holds a greater claim on a DN that was
// registered here. Whatever this node keeps for the DN under a smaller claim
// is void, silently: nothing it does later may show.
type Superseding struct {
	Number Number
	// ClaimTime of the peer's claim; 0 when that was told before.
	ClaimTime int64
	// Deleted: a peer has taken its claim back since, because the DN that it knew was deleted.
	Deleted bool
}

// maxTaken is how many DNs are remembered at least that were superseded last.
const maxTaken = 1 << 13

// Superseded hands the supersedings to the one that keeps the bindings. At
// most one a DN is kept, of the greatest claim.
type Superseded struct {
	mu   sync.Mutex
	set  map[Number]Superseding
	wake wake.Signal
	// taken are the DNs of which it is told when they are deleted.
	taken recent.Map[Number, struct{}]
}

func newSuperseded() Superseded {
	return Superseded{wake: wake.New(), taken: recent.NewMap[Number, struct{}](maxTaken)}
}

// Superseded has a single reader.
func (t *Table) Superseded() *Superseded { return &t.superseded }

func (s *Superseded) add(x Superseding) {
	s.mu.Lock()
	s.taken.Put(x.Number, struct{}{})
	x.ClaimTime = max(s.set[x.Number].ClaimTime, x.ClaimTime)
	s.put(x)
	s.mu.Unlock()
	s.wake.Send()
}

// deleted notes that a peer takes its word of a DN back, which was deleted.
func (s *Superseded) deleted(n Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.taken.Get(n); !ok {
		return
	}
	s.taken.Delete(n)
	s.put(Superseding{Number: n, ClaimTime: s.set[n].ClaimTime, Deleted: true})
	s.wake.Send()
}

func (s *Superseded) put(x Superseding) {
	if s.set == nil {
		s.set = map[Number]Superseding{}
	}
	s.set[x.Number] = x
}

// Next waits for supersedings and takes all there are. The error is the context's.
func (s *Superseded) Next(ctx context.Context) ([]Superseding, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.wake:
		}
		s.mu.Lock()
		set := s.set
		s.set = nil
		s.mu.Unlock()
		if len(set) == 0 {
			continue
		}
		out := make([]Superseding, 0, len(set))
		for _, x := range set {
			out = append(out, x)
		}
		return out, nil
	}
}
