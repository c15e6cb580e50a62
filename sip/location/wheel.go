package location

import (
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// wheel holds the slots by the second in which their first binding ends,
// counted from the store's start. A refresh moves nothing: the slot stays where
// it is and is looked at again when its second comes, and so does an end: who
// comes back finds its place. So a slot lies in one bucket, or in a few when its
// lifetime was shortened.
//
// It is not the clock of package transaction: that unlinks and links an alarm at
// each change and knows whom to tell, which costs memory for each DN and a
// change for each refresh; here a DN that refreshes touches nothing.
type wheel struct {
	buckets map[uint32][]*slot
	next    uint32 // all buckets before it were emptied
}

// bucket is the second of end, at least 1: slot.due says 0 for none.
func (s *Store) bucket(end time.Time) uint32 {
	return uint32(max(1, end.Sub(s.clock.start)/time.Second+1))
}

// schedule puts sl where Due finds it; the caller holds mu.
func (s *Store) schedule(sl *slot, end time.Time) {
	if end.IsZero() {
		return
	}
	sec := max(s.bucket(end), s.wheel.next)
	if sl.due != 0 && sl.due <= sec && sl.due >= s.wheel.next {
		return
	}
	sl.due = sec
	s.wheel.buckets[sec] = append(s.wheel.buckets[sec], sl)
}

// Due returns the DNs with a binding that ended by now, a reading of the
// store's clock. Each is returned once, until its next Put.
func (s *Store) Due(now time.Time) []dn.Number {
	var due []dn.Number
	for last := s.bucket(now); ; {
		slots, sec := s.takeBucket(last)
		if slots == nil {
			return due
		}
		due = s.sift(slots, sec, now, due)
		if sec == last {
			return due
		}
	}
}

// takeBucket removes the first bucket that is not after last. It returns nil
// when there is none.
func (s *Store) takeBucket(last uint32) ([]*slot, uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, p := &s.wheel, walk.Pieces{Held: &s.mu}
	for ; w.next <= last; w.next++ {
		p.Step() // the clock may have stood for days
		sec := w.next
		if slots := w.buckets[sec]; slots != nil {
			delete(w.buckets, sec)
			return slots, sec
		}
		if sec == last {
			break // its second is not over
		}
	}
	return nil, 0
}

// sift appends the numbers of the slots that are due and puts the others back.
func (s *Store) sift(slots []*slot, sec uint32, now time.Time, due []dn.Number) []dn.Number {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range walk.Slice(&s.mu, slots) {
		if sl.due != sec {
			continue
		}
		if sl.due = 0; sl.gone {
			continue
		}
		e := s.decode(sl.blob)
		switch end := e.earliest(); {
		case end.IsZero():
		case end.After(now):
			s.schedule(sl, end)
		default:
			due = append(due, e.Record.Number)
		}
	}
	return due
}
