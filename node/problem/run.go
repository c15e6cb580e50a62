package problem

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/internal/beat"
)

// Run asks the sources each second and tells the log of what lasts, until ctx ends.
func (s *Set) Run(ctx context.Context) error {
	tick := beat.New(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
			s.look()
			s.lasting(time.Now())
		}
	}
}

// lasting tells of what lasts, and forgets when the log heard of what is over.
func (s *Set) lasting(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.present {
		s.tell(k, e, now)
	}
	for k, last := range s.told {
		if s.present[k] == nil && now.Sub(last) >= again {
			delete(s.told, k)
		}
	}
}
