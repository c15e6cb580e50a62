package sip

import "sync/atomic"

// Stats are counts since the start, and Bindings and Connections of now.
type Stats struct {
	// Registrations put a DN in service; Refreshes add or renew a binding of
	// one that is; Removals take bindings back by request.
	Registrations, Refreshes, Removals uint64
	// Expirations are bindings that ended by themselves: lifetime, connection,
	// unanswered pings. Dropped are DNs given up for a peer's newer registration.
	Expirations, Dropped uint64
	// Challenges are the 401s; Stale of them went out with stale=true.
	Challenges, Stale uint64
	// Rejects counts the other final answers of 300 and up by status, Rejects[404].
	Rejects map[int]uint64
	// Fast and Plain are the messages by way; Malformed were refused before either.
	Fast, Plain, Malformed uint64
	// Panics were caught in a request; each was answered 500.
	Panics uint64
	// Calls are the INVITEs that were taken, Overload what was refused for being
	// too much.
	Calls, Overload uint64
	// FlushFailures are answers given although the location store could not be written.
	FlushFailures uint64
	// Bindings of all DNs registered here, and open connections.
	Bindings, Connections int
}

// counters are behind Stats.
type counters struct {
	registrations, refreshes, removals atomic.Uint64
	expirations, dropped               atomic.Uint64
	challenges, stale                  atomic.Uint64
	fast, plain, malformed             atomic.Uint64
	panics, flushFailures              atomic.Uint64
	calls, overload                    atomic.Uint64
	bindings                           atomic.Int64
	rejects                            [400]atomic.Uint64 // by status-300
}

func (c *counters) answered(code int) {
	switch {
	case code == 401:
		c.challenges.Add(1)
	case code >= 300 && code < 700:
		c.rejects[code-300].Add(1)
	}
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Registrations: c.registrations.Load(), Refreshes: c.refreshes.Load(), Removals: c.removals.Load(),
		Expirations: c.expirations.Load(), Dropped: c.dropped.Load(),
		Challenges: c.challenges.Load(), Stale: c.stale.Load(), Rejects: map[int]uint64{},
		Fast: c.fast.Load(), Plain: c.plain.Load(), Malformed: c.malformed.Load(),
		Calls: c.calls.Load(), Overload: c.overload.Load(),
		Panics: c.panics.Load(), FlushFailures: c.flushFailures.Load(), Bindings: int(c.bindings.Load()),
	}
	for i := range c.rejects {
		if n := c.rejects[i].Load(); n > 0 {
			s.Rejects[i+300] = n
		}
	}
	return s
}
