package transaction

import (
	"sync"
	"time"
)

// slots of a clock. An alarm that is further away than the last waits there,
// and is put further on when it comes up.
const slots = 1024

// Clock runs the timers of many transactions together: one wake-up a tick
// instead of one each. An alarm comes up to a tick late, never early. While
// none is set the clock stands still.
//
// Neither the wheel of package location nor the agenda of node/agent does: most
// alarms here are stopped a moment after they were set, several for each
// message, so both must take constant time and allocate nothing.
type Clock struct {
	tick     time.Duration
	panicked func(any) // told of a panic of an alarm's handler

	mu      sync.Mutex
	start   time.Time // of tick 0
	done    int64     // the last tick whose alarms came up
	set     int       // alarms
	wheel   [slots]*Alarm
	timer   *time.Timer
	stopped bool
}

// Alarm is a timer. It belongs to a Layer, whose lock holds for its handler too:
// set and stop it with the lock held, and Fire is called with it held. It must
// not be copied once it was set.
type Alarm struct {
	Layer   *Layer
	Handler AlarmHandler
	// What tells the handler's alarms apart.
	What uint8

	// Below is guarded by Clock.mu.
	due        int64 // 0: not set
	slot       int64
	prev, next *Alarm
	linked     bool
}

// AlarmHandler is told of its alarms.
type AlarmHandler interface{ Fire(what uint8) }

// Alarms counts those that are set, of all layers that share the clock.
func (l *Layer) Alarms() int {
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	return l.clock.set
}

func newClock(tick time.Duration, panicked func(any)) *Clock {
	return &Clock{tick: tick, panicked: panicked, start: time.Now()}
}

// wind has the clock run at the next tick.
func (c *Clock) wind(now time.Duration) {
	d := c.at(c.done+1) - now
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.run)
		return
	}
	c.timer.Reset(d)
}

// Set has the alarm come up after d, and not when it was set to before.
func (a *Alarm) Set(d time.Duration) {
	c := a.Layer.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unlink(a)
	if c.stopped {
		return
	}
	now := time.Since(c.start)
	if c.set == 0 {
		c.done = int64(now / c.tick)
		c.wind(now)
	}
	a.due = max(c.done+1, int64((now+d+c.tick-1)/c.tick))
	c.link(a)
}

// Stop has the alarm not come up.
func (a *Alarm) Stop() {
	if a.Layer == nil {
		return
	}
	c := a.Layer.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unlink(a)
	a.due = 0
}

func (c *Clock) at(tick int64) time.Duration { return time.Duration(tick) * c.tick }

func (c *Clock) link(a *Alarm) {
	a.slot = min(a.due, c.done+slots) % slots
	head := &c.wheel[a.slot]
	a.prev, a.next, a.linked = nil, *head, true
	if *head != nil {
		(*head).prev = a
	}
	*head = a
	c.set++
}

func (c *Clock) unlink(a *Alarm) {
	if !a.linked {
		return
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		c.wheel[a.slot] = a.next
	}
	a.prev, a.next, a.linked = nil, nil, false
	c.set--
}

// run brings up what is due.
func (c *Clock) run() {
	for a := c.pop(); a != nil; a = c.pop() {
		c.fire(a)
	}
}

// fire tells the handler of an alarm; a panic costs only that one.
func (c *Clock) fire(a *Alarm) {
	a.Layer.Lock()
	defer a.Layer.Unlock()
	defer func() {
		if x := recover(); x != nil {
			c.panicked(x)
		}
	}()
	if c.claim(a) {
		a.Handler.Fire(a.What)
	}
}

// pop takes out the next alarm that is due; when there is none it winds the
// clock up for the next tick.
func (c *Clock) pop() *Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.start)
	for ; !c.stopped && c.set > 0 && c.at(c.done+1) <= now; c.done++ {
		for a := c.wheel[(c.done+1)%slots]; a != nil; {
			next := a.next
			c.unlink(a)
			if a.due <= c.done+1 {
				return a
			}
			c.link(a) // it is far away
			a = next
		}
	}
	if c.set > 0 && !c.stopped {
		c.wind(now)
	}
	return nil
}

// claim tells whether an alarm that was taken out is still wanted.
func (c *Clock) claim(a *Alarm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.linked || a.due == 0 || c.stopped {
		return false
	}
	a.due = 0
	return true
}

// stop ends the clock: no alarm comes up any more.
func (c *Clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.timer != nil {
		c.timer.Stop()
	}
}
