package answer

import (
	"sync/atomic"

	"github.com/sipcluster/sipcluster/internal/histogram"
)

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
	// WrongPasswords were tried; Silenced are the requests that got no answer because
	// too many had been.
	WrongPasswords, Silenced uint64
	// KernelDrops are the datagrams that the kernel had no room for, Late the calls that
	// were refused because more came than was served.
	KernelDrops, Late uint64
	// Shed are the datagrams that were not looked at because their source sent too many.
	Shed uint64
	// FlushFailures are answers given although the location store could not be written.
	FlushFailures uint64
	// Bindings of all DNs registered here, and open connections.
	Bindings, Connections int
	// Overloaded is 1 while more comes than is served, Room how many bytes of datagrams may
	// wait to be read; 0 where nobody knows.
	Overloaded, Room int
}

// Counters are behind Stats.
type Counters struct {
	Registrations, Refreshes, Removals atomic.Uint64
	Expirations, Dropped               atomic.Uint64
	challenges, Stale                  atomic.Uint64
	Fast, Plain, Malformed             atomic.Uint64
	Panics, FlushFailures              atomic.Uint64
	Calls, Overload                    atomic.Uint64
	WrongPasswords, Silenced, Shed     atomic.Uint64
	KernelDrops, Late                  atomic.Uint64
	Overloaded                         atomic.Int64 // 2: by UDP and by connections
	Bindings                           atomic.Int64
	rejects                            [400]atomic.Uint64 // by status-300
	// Registered is how long it took from when a REGISTER was received until its 200 was
	// sent, of those that have changed something.
	Registered histogram.Histogram
}

// Answered counts a final answer by its status.
func (c *Counters) Answered(code int) {
	switch {
	case code == 401:
		c.challenges.Add(1)
	case code >= 300 && code < 700:
		c.rejects[code-300].Add(1)
	}
}

// Snapshot is the counts of now; Connections are left out.
func (c *Counters) Snapshot() Stats {
	s := Stats{
		Registrations: c.Registrations.Load(), Refreshes: c.Refreshes.Load(), Removals: c.Removals.Load(),
		Expirations: c.Expirations.Load(), Dropped: c.Dropped.Load(),
		Challenges: c.challenges.Load(), Stale: c.Stale.Load(), Rejects: map[int]uint64{},
		Fast: c.Fast.Load(), Plain: c.Plain.Load(), Malformed: c.Malformed.Load(),
		Calls: c.Calls.Load(), Overload: c.Overload.Load(),
		WrongPasswords: c.WrongPasswords.Load(), Silenced: c.Silenced.Load(), Shed: c.Shed.Load(),
		KernelDrops: c.KernelDrops.Load(), Late: c.Late.Load(), Overloaded: int(min(c.Overloaded.Load(), 1)),
		Panics: c.Panics.Load(), FlushFailures: c.FlushFailures.Load(), Bindings: int(c.Bindings.Load()),
	}
	for i := range c.rejects {
		if n := c.rejects[i].Load(); n > 0 {
			s.Rejects[i+300] = n
		}
	}
	return s
}
