package dn

import (
	"context"
	"sync"

	"github.com/sipcluster/sipcluster/internal/wake"
)

// Superseding says that a peer holds a greater claim on a DN that was
// registered here. Whatever this node keeps for the DN under a smaller claim
// is void, silently: nothing it does later may show.
type Superseding struct {
	Number Number
	// ClaimTime of the peer's claim.
	ClaimTime int64
}

// Superseded hands the supersedings to the one that keeps the bindings. At
// most one a DN is kept, the greatest.
type Superseded struct {
	mu   sync.Mutex
	set  map[Number]int64
	wake wake.Signal
}

// Superseded has a single reader.
func (t *Table) Superseded() *Superseded { return &t.superseded }

func (s *Superseded) add(x Superseding) {
	s.mu.Lock()
	if s.set == nil {
		s.set = map[Number]int64{}
	}
	s.set[x.Number] = max(s.set[x.Number], x.ClaimTime)
	s.mu.Unlock()
	s.wake.Send()
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
		for n, c := range set {
			out = append(out, Superseding{Number: n, ClaimTime: c})
		}
		return out, nil
	}
}
