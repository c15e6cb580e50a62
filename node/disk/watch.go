package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// Patience is how long somebody waits for a store whose answer he can do without.
	Patience = 250 * time.Millisecond
	// StallsAfter is how long a call into the file system is slow; behind it the
	// store stalls: perhaps nothing comes back for ever (a frozen file system, a
	// storage network that is gone).
	StallsAfter = 1500 * time.Millisecond
)

// ErrStalled says that a store's call into the file system has not come back.
var ErrStalled = errors.New("the disk does not answer")

// Watch knows which calls of a store into the file system are under way, and since
// when. Nobody can take such a call back: so who must not wait asks here.
type Watch struct {
	// Store is what the operator calls it.
	Store string

	mu    sync.Mutex
	last  uint64
	calls []call
}

// call is one that is under way.
type call struct {
	nth   uint64
	began time.Time
}

// NewWatch of a store.
func NewWatch(store string) *Watch { return &Watch{Store: store} }

// Do calls fn, which goes into the file system.
func (w *Watch) Do(fn func() error) error {
	w.mu.Lock()
	w.last++
	n := w.last
	w.calls = append(w.calls, call{n, time.Now()})
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.calls = slices.DeleteFunc(w.calls, func(c call) bool { return c.nth == n })
		w.mu.Unlock()
	}()
	return fn()
}

// Since is when the oldest call began that is under way; zero: there is none.
func (w *Watch) Since() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) > 0 {
		return w.calls[0].began
	}
	return time.Time{}
}

// Waits returns ErrStalled when a call has been under way for longer than that.
func (w *Watch) Waits(longer time.Duration) error {
	since := w.Since()
	if since.IsZero() || time.Since(since) <= longer {
		return nil
	}
	return fmt.Errorf("%s: %w since %s", w.Store, ErrStalled, since.UTC().Format(time.RFC3339))
}

// Stalled is Waits for longer than a slow disk takes.
func (w *Watch) Stalled() error { return w.Waits(StallsAfter) }
