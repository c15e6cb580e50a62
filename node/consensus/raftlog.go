package consensus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// newRaftLog returns a logger for Raft that writes to slog one level lower,
// since Raft reports each failed heartbeat as an error, and each message text
// at most once in quiet; the count of those left out is added.
func newRaftLog(to *slog.Logger, quiet time.Duration) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(&sink{to: to, quiet: quiet, last: map[string]*said{}})
	return l
}

type sink struct {
	to    *slog.Logger
	quiet time.Duration

	mu   sync.Mutex
	last map[string]*said // the texts are Raft's constants: some hundred
}

type said struct {
	at   time.Time
	left int
}

var levels = map[hclog.Level]slog.Level{hclog.Info: slog.LevelDebug, hclog.Warn: slog.LevelInfo, hclog.Error: slog.LevelWarn}

func (s *sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to, ok := levels[level]
	if !ok || !s.to.Enabled(context.Background(), to) {
		return
	}
	left, ok := s.admit(msg)
	if !ok {
		return
	}
	attrs := make([]any, 0, len(args)+2)
	for i := 0; i+1 < len(args); i += 2 {
		attrs = append(attrs, fmt.Sprint(args[i]), text(args[i+1]))
	}
	if left > 0 {
		attrs = append(attrs, "left_out", left)
	}
	s.to.Log(context.Background(), to, "raft: "+msg, attrs...)
}

func (s *sink) admit(msg string) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.last[msg]
	if e == nil {
		s.last[msg] = &said{at: time.Now()}
		return 0, true
	}
	if time.Since(e.at) < s.quiet {
		e.left++
		return 0, false
	}
	left, e.left, e.at = e.left, 0, time.Now()
	return left, true
}

func text(v any) any {
	if f, ok := v.(hclog.Format); ok && len(f) > 0 {
		return fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
	}
	return fmt.Sprint(v)
}
