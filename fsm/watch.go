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
	All                    bool
	DNs                    []string // ordered, without repetition; put or deleted
	Nodes, Options, Groups bool
	Tokens                 bool
	// Security: the object of that name, or an invite.
	Security bool
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
	w.add(Changes{All: true})
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

func (w *Watcher) add(c Changes) {
	w.mu.Lock()
	p := &w.pending
	p.Nodes, p.Options, p.Groups = p.Nodes || c.Nodes, p.Options || c.Options, p.Groups || c.Groups
	p.Tokens = p.Tokens || c.Tokens
	p.Security = p.Security || c.Security
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
