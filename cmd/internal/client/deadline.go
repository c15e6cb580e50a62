package client

import (
	"context"
	"time"
)

// deadline ends a stream that has been silent for too long.
type deadline struct {
	patience time.Duration
	timer    *time.Timer
}

// newDeadline calls cancel after a silence of patience.
func newDeadline(patience time.Duration, cancel context.CancelFunc) *deadline {
	return &deadline{patience: patience, timer: time.AfterFunc(patience, cancel)}
}

// extend starts the wait anew, after a sign of life.
func (d *deadline) extend() { d.timer.Reset(d.patience) }

// judge names the silence as the cause when it is; otherwise it returns err.
func (d *deadline) judge(err error) error {
	if d.timer.Stop() {
		return err
	}
	return context.DeadlineExceeded
}

func (d *deadline) stop() { d.timer.Stop() }
