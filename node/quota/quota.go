// Package quota counts what trunks have of this node: their calls at a time and in a
// second, in each direction, what became of them, and which trunks have asked to be left
// alone for a while. It knows neither calls nor SIP; node/routing asks it.
package quota

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Direction of a call.
type Direction uint8

const (
	// In: it came by the trunk.
	In Direction = iota
	// Out: it leaves by it.
	Out
)

// MaxPause is how long a trunk is left alone at most for what it says once.
const MaxPause = 5 * time.Minute

// maxIdle is how many entries there may be before those that say nothing go.
const maxIdle = 1024

// Table is the quotas of all trunks.
type Table struct {
	mu     sync.Mutex
	of     map[key]*use
	paused map[dn.Number]pause
	// tallies are of trunks that had calls.
	tallies map[key]*tally
}

// pause is until when a trunk wants to be left alone, as of a revision of it.
type pause struct {
	until    time.Time
	revision uint64
}

type key struct {
	dn.Number
	Direction
}

// use is what a trunk has in a direction. Tokens come back at the rate that is allowed, up
// to those of a second.
type use struct {
	calls  uint32
	tokens float64
	at     time.Time
}

// New makes a table that knows of nobody.
func New() *Table {
	return &Table{of: map[key]*use{}, paused: map[dn.Number]pause{}, tallies: map[key]*tally{}}
}

// free gives back what was not counted.
func free() {}

// Take counts a call of a trunk; false when its limit is reached. give counts it no more.
func (t *Table) Take(n dn.Number, d Direction, l *configpb.TrunkLimit, now time.Time) (give func(), ok bool) {
	if l.GetCalls() == 0 && l.GetCallsPerS() == 0 {
		return free, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.of[key{n, d}]
	if u == nil {
		t.tidy(now)
		u = &use{tokens: float64(l.GetCallsPerS()), at: now}
		t.of[key{n, d}] = u
	}
	u.tokens, u.at = u.tokensAt(l, now), now
	if u.full(l, now) {
		return free, false
	}
	u.tokens = max(0, u.tokens-1)
	u.calls++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		u.calls--
	}), true
}

// Full tells whether a call more would not be taken.
func (t *Table) Full(n dn.Number, d Direction, l *configpb.TrunkLimit, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.of[key{n, d}]
	return u != nil && u.full(l, now)
}

// full tells whether the limit is reached.
func (u *use) full(l *configpb.TrunkLimit, now time.Time) bool {
	return l.GetCalls() > 0 && u.calls >= l.GetCalls() || l.GetCallsPerS() > 0 && u.tokensAt(l, now) < 1
}

// tokensAt are those that are there.
func (u *use) tokensAt(l *configpb.TrunkLimit, now time.Time) float64 {
	rate := float64(l.GetCallsPerS())
	return min(rate, u.tokens+rate*max(0, now.Sub(u.at).Seconds()))
}

// tidy forgets who has no calls and whose tokens are all back, when there are many.
func (t *Table) tidy(now time.Time) {
	if len(t.of) < maxIdle {
		return
	}
	for k, u := range t.of {
		if u.calls == 0 && now.Sub(u.at) > time.Second {
			delete(t.of, k)
		}
	}
}

// Calls of a trunk in a direction, as far as they are counted.
func (t *Table) Calls(n dn.Number, d Direction) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.of[key{n, d}]; u != nil {
		return int(u.calls)
	}
	return 0
}

// Pause leaves a trunk alone for a while, as it has asked for. The trunk is as it was when it
// was asked: what was written of it since, another address or that it is enabled again, is
// not what wants to be left alone.
func (t *Table) Pause(trunk *configpb.DN, d time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.paused) >= maxIdle {
		for other, p := range walk.Map(&t.mu, t.paused) {
			if !p.until.After(now) {
				delete(t.paused, other)
			}
		}
	}
	n, revision := dn.Number(trunk.GetNumber()), trunk.GetRevision()
	if t.paused[n].revision <= revision {
		t.paused[n] = pause{now.Add(min(d, MaxPause)), revision}
	}
}

// Paused is how much longer a trunk, as it is now, is to be left alone; 0 for others.
func (t *Table) Paused(trunk *configpb.DN, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.paused[dn.Number(trunk.GetNumber())]
	if p.revision != trunk.GetRevision() {
		return 0
	}
	return max(0, p.until.Sub(now))
}

// Held is for tests: the calls that are counted.
func (t *Table) Held() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, u := range walk.Map(&t.mu, t.of) {
		n += int(u.calls)
	}
	return map[string]int{"trunk_quota": n}
}
