package carrier

import "time"

const (
	// firstDelay is how long after a way was found to be down it is asked for the second
	// time; each time after takes twice as long, up to lastDelay and the interval.
	firstDelay, lastDelay = time.Second, 8 * time.Second
	// untried is for how long a way is left alone that was silent and is not asked.
	untried = 30 * time.Second
)

// health is whether somebody answers at a way. Its methods tell whether that has changed.
// every is how often the way is asked; 0 for never.
type health struct {
	down  bool
	since time.Time // when down became what it is
	// due is when the way is asked next, or tried again without.
	due    time.Time
	delay  time.Duration
	asking bool
}

// heard: somebody answered.
func (h *health) heard(now time.Time, every time.Duration) bool {
	h.due = now.Add(every)
	return h.turn(false, now)
}

// missed: nobody answered what was asked.
func (h *health) missed(now time.Time, every time.Duration) bool {
	turned := h.turn(true, now)
	if turned {
		h.delay = firstDelay
	} else {
		h.delay = min(2*h.delay, lastDelay, every)
	}
	h.due = now.Add(h.delay)
	return turned
}

// silent: nobody answered a call.
func (h *health) silent(now time.Time, every time.Duration) bool {
	if h.down {
		return false
	}
	h.delay, h.due = firstDelay, now // it is asked whether that is so
	if every == 0 {
		h.due = now.Add(untried)
	}
	return h.turn(true, now)
}

// pass lets time go by: ask, the way is asked now; turned, it counts as up again.
func (h *health) pass(now time.Time, every time.Duration) (ask, turned bool) {
	switch {
	case every == 0 && h.down && !now.Before(h.due):
		return false, h.turn(false, now)
	case every == 0 || h.asking || now.Before(h.due):
		return false, false
	}
	h.asking = true
	return true, false
}

// next is when pass may do something; the zero time for never.
func (h *health) next(every time.Duration) time.Time {
	if h.asking || every == 0 && !h.down {
		return time.Time{}
	}
	return h.due
}

func (h *health) turn(down bool, now time.Time) bool {
	if h.down == down {
		return false
	}
	h.down, h.since = down, now
	return true
}
