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
// When it is asked next follows from the interval as it is then, every, 0 for never: so
// another one counts at once.
type health struct {
	down  bool
	why   error     // it is down
	since time.Time // when down became what it is
	// last is when it was heard, missed or silent last; the zero time: it has not been
	// asked yet.
	last time.Time
	// delay is how long after that it is asked while it is down; 0: it is asked at once.
	delay  time.Duration
	asking bool
	// looked: it was found out whether this node has a way there; unable: it has none, so
	// the way is down.
	looked, unable bool
	// until then it wants to be left alone, as it has said.
	until time.Time
}

// left is how much longer it wants to be left alone; 0 when it does not.
func (h *health) left(now time.Time) time.Duration { return max(0, h.until.Sub(now)) }

// heard: somebody answered.
func (h *health) heard(now time.Time) bool {
	h.unable = false
	h.last, h.why = now, nil
	return h.turn(false, now)
}

// missed: nobody answered what was asked.
func (h *health) missed(now time.Time, why error) bool {
	turned := h.turn(true, now)
	if turned || h.delay == 0 {
		h.delay = firstDelay
	} else {
		h.delay = min(2*h.delay, lastDelay)
	}
	h.last, h.why = now, why
	return turned
}

// silent: nobody answered a call. It is asked whether that is so.
func (h *health) silent(now time.Time, why error) bool {
	if h.down {
		return false
	}
	h.delay, h.last, h.why = 0, now, why
	return h.turn(true, now)
}

// due is when the way is asked next, or tried again without.
func (h *health) due(every time.Duration) time.Time {
	switch {
	case every == 0:
		return h.last.Add(untried)
	case h.down:
		return h.last.Add(min(h.delay, every))
	}
	return h.last.Add(every)
}

// pass lets time go by: ask, the way is asked now; turned, it counts as up again.
func (h *health) pass(now time.Time, every time.Duration) (ask, turned bool) {
	switch {
	case h.asking:
		return false, false
	case now.Before(h.due(every)) && h.looked:
		return false, false
	case every == 0 && h.looked && !h.unable:
		h.why = nil
		return false, h.down && h.turn(false, now)
	}
	h.asking = true
	return true, false
}

// next is when pass may do something; the zero time for never.
func (h *health) next(every time.Duration) time.Time {
	if every == 0 && !h.down || h.asking {
		return time.Time{}
	}
	return h.due(every)
}

func (h *health) turn(down bool, now time.Time) bool {
	if h.down == down {
		return false
	}
	h.down, h.since = down, now
	return true
}
