package membership

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, which a cut can silence towards single addresses.
type transport struct {
	*memberlist.NetTransport
	allow func(addr string) bool
}

func newTransport(bind netip.AddrPort, allow func(string) bool, mc *memberlist.Config) (memberlist.Transport, error) {
	t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{bind.Addr().String()}, BindPort: int(bind.Port()), Logger: log.New(mc.LogOutput, "", 0),
	})
	if err != nil {
		return nil, fmt.Errorf("gossip address %s: %w: is it in use? choose another --gossip-addr", bind, err)
	}
	if allow == nil {
		allow = func(string) bool { return true }
	}
	return &transport{t, allow}, nil
}

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if !t.allow(a.Addr) {
		return time.Now(), nil // lost on the way
	}
	return t.NetTransport.WriteToAddress(b, a)
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if !t.allow(a.Addr) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	return t.NetTransport.DialAddressTimeout(a, timeout)
}

// logWriter passes memberlist's log on, at most a line a second and level:
// a stranger who sends rubbish must not fill the disk.
type logWriter struct {
	log *slog.Logger

	mu      sync.Mutex
	last    map[slog.Level]time.Time
	skipped int
}

func (w *logWriter) Write(line []byte) (int, error) {
	level, text := slog.LevelDebug, bytes.TrimSpace(line)
	for tag, l := range map[string]slog.Level{"[ERR] ": slog.LevelWarn, "[WARN] ": slog.LevelInfo, "[INFO] ": slog.LevelDebug, "[DEBUG] ": slog.LevelDebug} {
		if _, after, ok := bytes.Cut(text, []byte(tag)); ok {
			level, text = l, after
			break
		}
	}
	if !w.log.Enabled(context.Background(), level) {
		return len(line), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.last[level]) < time.Second {
		w.skipped++
		return len(line), nil
	}
	if w.last == nil {
		w.last = map[slog.Level]time.Time{}
	}
	w.last[level] = now
	w.log.Log(context.Background(), level, string(text), "skipped", w.skipped)
	w.skipped = 0
	return len(line), nil
}
