package location

import (
	"crypto/rand"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// boot names a run of the machine and a moment in it.
type boot struct {
	id    string
	since time.Duration // CLOCK_BOOTTIME
}

// readBoot asks the kernel. Where it says nothing every start counts as a boot
// of its own, and expiries across a restart follow the wall clock.
func readBoot() boot {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	var ts unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return boot{id: rand.Text()}
	}
	return boot{id: strings.TrimSpace(string(id)), since: time.Duration(ts.Nano())}
}

// clock turns the process's time into the boot's and back. Both conversions go
// by the one reading that Open took, so they are exact and monotonic.
//
// Ends of bindings are stored as time since boot, with the number of the boot.
// For each boot the store remembers how far the wall clock was ahead of it: in
// the same boot an end is exact whatever the wall clock did, in another one it
// is the wall-clock end by the last word of the old boot.
type clock struct {
	start  time.Time     // the process's reading
	since  time.Duration // the boot's reading of the same moment
	number uint64        // of the boot, in this store
	boots  map[uint64]bootInfo
}

// bootInfo is what the store knows of a boot.
type bootInfo struct {
	id    string
	ahead time.Duration // wall clock minus time since boot
}

func (c clock) toBoot(t time.Time) time.Duration   { return c.since + t.Sub(c.start) }
func (c clock) fromBoot(d time.Duration) time.Time { return c.start.Add(d - c.since) }

// translate turns an end in boot number n into one of the present boot. An end
// in a boot that left no word is over.
func (c clock) translate(n uint64, d time.Duration) time.Duration {
	if n == c.number {
		return d
	}
	info, ok := c.boots[n]
	if !ok {
		return c.since
	}
	return d + info.ahead - c.boots[c.number].ahead
}

// ahead is how far now's wall clock is ahead of the time since boot.
func (c clock) ahead(now time.Time) time.Duration {
	return time.Duration(now.UnixNano()) - c.toBoot(now)
}

// settle finds the present boot among those the store knew, or adds it.
func (c *clock) settle(b boot, known map[uint64]bootInfo) {
	c.boots, c.since = known, b.since
	last := uint64(0)
	for n, info := range known {
		last = max(last, n)
		if info.id == b.id {
			c.number = max(c.number, n)
		}
	}
	if c.number == 0 {
		c.number = last + 1
	}
	c.boots[c.number] = bootInfo{id: b.id, ahead: c.ahead(c.start)}
}
