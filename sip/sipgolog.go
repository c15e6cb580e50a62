package sip

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// sipgoLog is the log handler that sipgo gets. sipgo writes whole packets into
// its log, credentials included, and a line for each one that somebody sends:
// so only the message text goes through, one a second, with the number of
// those that were left out. Nothing that sipgo says is more than a hint.
type sipgoLog struct {
	log  *slog.Logger
	next *atomic.Int64 // ns since the epoch
	lost *atomic.Int64
}

func sipgoLogger(log *slog.Logger) *slog.Logger {
	return slog.New(sipgoLog{log: log, next: new(atomic.Int64), lost: new(atomic.Int64)})
}

// Enabled implements slog.Handler: below WARN sipgo talks about itself.
func (q sipgoLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (q sipgoLog) Handle(ctx context.Context, r slog.Record) error {
	now, next := r.Time.UnixNano(), q.next.Load()
	if now < next || !q.next.CompareAndSwap(next, now+int64(time.Second)) {
		q.lost.Add(1)
		return nil
	}
	q.log.DebugContext(ctx, "sip stack", "msg", r.Message, "suppressed", q.lost.Swap(0))
	return nil
}

// WithAttrs implements slog.Handler; attributes may hold secrets and are dropped.
func (q sipgoLog) WithAttrs([]slog.Attr) slog.Handler { return q }

// WithGroup implements slog.Handler.
func (q sipgoLog) WithGroup(string) slog.Handler { return q }

// everyMinute lets one log line a minute through.
type everyMinute struct{ next atomic.Int64 }

func (s *everyMinute) due(t time.Time) bool {
	now, next := t.UnixNano(), s.next.Load()
	return now >= next && s.next.CompareAndSwap(next, now+int64(time.Minute))
}
