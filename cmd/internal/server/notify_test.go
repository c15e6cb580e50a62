package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// A supervisor hears that the node lives while it does, and nothing while it does not.
func TestSupervisor_HearsOfLifeAlone(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	told, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	env := map[string]string{"NOTIFY_SOCKET": addr.Name, "WATCHDOG_USEC": "40000"}
	s := newSupervisor(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	if s.every != 40*time.Millisecond {
		t.Fatalf("it wants to hear each %v", s.every)
	}
	var asked atomic.Int64
	var lives atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		s.watch(ctx, func(context.Context) error {
			asked.Add(1)
			if lives.Load() {
				return nil
			}
			return errors.New("no answer")
		})
	})
	patience.Until(t, "the node was asked three times", func() bool { return asked.Load() >= 3 })
	_ = told.SetReadDeadline(time.Now().Add(time.Millisecond))
	b := make([]byte, 64)
	if n, err := told.Read(b); err == nil {
		t.Errorf("a node without a sign of life says %s", b[:n])
	}
	lives.Store(true)
	_ = told.SetReadDeadline(time.Now().Add(patience.Limit))
	if n, err := told.Read(b); err != nil || string(b[:n]) != "WATCHDOG=1" {
		t.Errorf("%s %v", b[:n], err)
	}
	cancel()
	patience.Done(t, "the end", wg.Wait)
}

// A watchdog of another process of ours is not ours to feed.
func TestSupervisor_WatchdogOfAnother(t *testing.T) {
	env := map[string]string{"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"}
	if s := newSupervisor(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler)); s.every != 0 {
		t.Error("it is fed")
	}
}
