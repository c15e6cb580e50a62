// Package lasting keeps a fault that lasts from filling the log: it is a line at its
// begin, one a minute with how often it was met since the last one, and one at its end.
// One that comes and goes has no more lines than one that stays. Whoever meets a fault
// again and again in a loop tells it here.
package lasting

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Again is how often the log hears of a fault that lasts.
const Again = time.Minute

// Fault is one that is there or not. Its methods may be called by anyone; the zero value
// can't be used.
type Fault struct {
	log        *slog.Logger
	level      slog.Level
	what, over string

	mu                sync.Mutex
	there, said       bool
	began, last, told time.Time
	times             int
}

// New is a fault that is told in those words at that level; over is what is said at its
// end.
func New(log *slog.Logger, level slog.Level, what, over string) *Fault {
	return &Fault{log: log, level: level, what: what, over: over}
}

// Met notes that the fault was met; args are those of a line of the log.
func (f *Fault) Met(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !f.there {
		f.there, f.began = true, now
	}
	f.last = now
	f.times++
	if !f.told.IsZero() && now.Sub(f.told) < Again {
		return
	}
	if f.said {
		args = append(args, "since", f.began, "times", f.times)
	}
	f.log.Log(context.Background(), f.level, f.what, args...)
	f.said, f.told, f.times = true, now, 0
}

// Over notes that the fault is not there; it costs next to nothing where it was not.
func (f *Fault) Over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.there {
		return
	}
	if f.said {
		f.log.Info(f.over, "lasted", f.last.Sub(f.began).Round(time.Millisecond))
	}
	f.there, f.said, f.times = false, false, 0
}
