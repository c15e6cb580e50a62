package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/internal/lasting"
)

// supervisor is systemd, or who speaks like it (sd_notify(3)); without an address
// there is none.
type supervisor struct {
	addr string
	// every is how often it wants to hear that the node is alive; 0 for never.
	every time.Duration
	log   *slog.Logger
}

func newSupervisor(getenv func(string) string, log *slog.Logger) supervisor {
	s := supervisor{addr: getenv("NOTIFY_SOCKET"), log: log}
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if pid := getenv("WATCHDOG_PID"); err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.every = time.Duration(us) * time.Microsecond
	}
	return s
}

// tell says something to the supervisor.
func (s supervisor) tell(state string) {
	if s.addr == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.addr, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close()
	}
	if err != nil {
		s.log.Warn("the supervisor can't be told", "socket", s.addr, "err", err)
	}
}

// watch says that the node is alive, as often as the supervisor wants to hear it and
// only while it is, until the context ends.
func (s supervisor) watch(ctx context.Context, alive func(context.Context) error) {
	if s.addr == "" || s.every == 0 {
		return
	}
	silent := lasting.New(s.log, slog.LevelError, "this node gives no sign of life: its supervisor is not told that it lives", "this node gives signs of life again")
	t := time.NewTicker(s.every / 4)
	defer t.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, s.every/4)
		err := alive(asking)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			silent.Met("err", err)
		default:
			silent.Over()
			s.tell("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// reloading is what is told while the settings are read again.
func (s supervisor) reloading(reload func()) {
	s.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds()))
	reload()
	s.tell("READY=1")
}
