package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the clock that a supervisor on the same machine reads too.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}
