package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/sipcluster/sipcluster/sip/answer"
)

// tasks are the goroutines of calls. All end with ctx.
type tasks struct {
	stats *answer.Counters
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // that of Run, for calls that get a goroutine

	mu      sync.Mutex
	stop    context.CancelFunc
	waiting sync.WaitGroup
	running int
}

func newTasks(stats *answer.Counters, log *slog.Logger) *tasks {
	t := &tasks{stats: stats, log: log}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// spawn runs f in another goroutine; false when the server stops.
func (t *tasks) spawn(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return false
	}
	t.running++
	t.waiting.Go(func() {
		defer t.ended()
		defer func() {
			if x := recover(); x != nil {
				t.panicked(x)
			}
		}()
		f()
	})
	return true
}

// ended notes the end of what was spawned.
func (t *tasks) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
}

// panicked notes a panic that cost one message or one call.
func (t *tasks) panicked(x any) {
	t.stats.Panics.Add(1)
	t.log.Error("a call or a message made the proxy panic", "panic", fmt.Sprint(x))
}

// stopping tells whether nothing new is begun.
func (t *tasks) stopping() bool { return t.ctx.Err() != nil }

// end lets nobody spawn any more; wait waits for what was.
func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop()
}

func (t *tasks) wait() { t.waiting.Wait() }

func (t *tasks) held(held map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held["sip_call_goroutines"] = t.running
}
