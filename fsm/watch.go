package fsm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/internal/wake"
)

// maxPending is the number of DNs that a Watcher keeps apart before it says All.
const maxPending = 10_000

// Changes says what to look at again. It is level-triggered: it names objects,
// not what happened to them; the View has their state.
type Changes struct {
	All bool
	DNs []string // ordered, without repetition; put or deleted
	// Withdrawn are the DNs that were deleted or disabled, or of another kind, meanwhile,
	// whatever they are now: who had such a DN before may be somebody else.
	Withdrawn map[string]Withdrawal
	// Former is the View from which on Withdrawn does not have all, since a snapshot took its
	// place or there were too many; nil when it has. FormerAt is like Withdrawal.At.
	Former                 *View
	FormerAt               int64
	Nodes, Options, Groups bool
	Tokens                 bool
	// Security: the object of that name, or an invite.
	Security bool
}

// Withdrawal of a DN.
type Withdrawal struct {
	// At is when this Machine was told of it last, ns since the epoch: before anybody
	// registered by what came behind it.
	At int64
	// Deleted: nothing of it is left, as who is logged in there.
	Deleted bool
}

func (c *Changes) withdraw(n string, w Withdrawal) {
	if c.Withdrawn == nil {
		c.Withdrawn = map[string]Withdrawal{}
	}
	w.Deleted = w.Deleted || c.Withdrawn[n].Deleted
	c.Withdrawn[n] = w
}

func (c Changes) empty() bool {
	return !c.All && len(c.DNs) == 0 && !c.Nodes && !c.Options && !c.Groups && !c.Tokens && !c.Security
}

// ErrClosed ends a closed Watcher.
var ErrClosed = errors.New("the watcher is closed")

// Watcher collects what changed since it was asked last. It is for one
// goroutine; being slow costs it detail, never anybody else's time.
type Watcher struct {
	m    *Machine
	wake wake.Signal

	mu      sync.Mutex
	closed  bool
	pending Changes
	dns     map[string]struct{}
}

// Watch returns a Watcher whose first Changes is All.
func (m *Machine) Watch() *Watcher {
	w := m.Tail()
	w.add(Changes{All: true}, nil, 0)
	return w
}

// Tail returns a Watcher of what changes from now on, for who looks at the View behind this.
func (m *Machine) Tail() *Watcher {
	w := &Watcher{m: m, wake: wake.New(), dns: map[string]struct{}{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers[w] = struct{}{}
	return w
}

// Next waits for changes and returns them merged. The Machine's View shows
// them already. The error is ctx's or ErrClosed.
func (w *Watcher) Next(ctx context.Context) (Changes, error) {
	for {
		select {
		case <-ctx.Done():
			return Changes{}, ctx.Err()
		case <-w.wake:
		}
		c, closed := w.take()
		if closed {
			return Changes{}, ErrClosed
		}
		if !c.empty() {
			return c, nil
		}
	}
}

func (w *Watcher) take() (Changes, bool) {
	w.mu.Lock()
	c, dns, closed := w.pending, w.dns, w.closed
	w.pending, w.dns = Changes{}, map[string]struct{}{}
	w.mu.Unlock()
	c.DNs = slices.AppendSeq(c.DNs, maps.Keys(dns))
	slices.Sort(c.DNs)
	return c, closed
}

// Close ends the Watcher and a Next that waits.
func (w *Watcher) Close() {
	w.m.mu.Lock()
	delete(w.m.watchers, w)
	w.m.mu.Unlock()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wake.Send()
}

// add merges what made the View that follows before, and was published at that time.
func (w *Watcher) add(c Changes, before *View, at int64) {
	w.mu.Lock()
	p := &w.pending
	p.Nodes, p.Options, p.Groups = p.Nodes || c.Nodes, p.Options || c.Options, p.Groups || c.Groups
	p.Tokens = p.Tokens || c.Tokens
	p.Security = p.Security || c.Security
	p.withdrawAll(c, before, at)
	if c.All || len(w.dns)+len(c.DNs) > maxPending {
		p.All = true
	}
	if p.All {
		clear(w.dns)
	} else {
		for _, n := range c.DNs {
			w.dns[n] = struct{}{}
		}
	}
	w.mu.Unlock()
	w.wake.Send()
}

// withdrawAll adds what was withdrawn, with the View before and the time.
func (c *Changes) withdrawAll(more Changes, before *View, at int64) {
	if len(c.Withdrawn)+len(more.Withdrawn) > maxPending {
		more.Former = before
	} else {
		for n, w := range more.Withdrawn {
			c.withdraw(n, Withdrawal{At: at, Deleted: w.Deleted})
		}
	}
	if more.Former == nil {
		return
	}
	if c.FormerAt = at; c.Former == nil {
		c.Former = more.Former
	}
}
