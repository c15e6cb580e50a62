package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
)

func TestWatch_OnATerminalIsABoard(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _ := clienttest.Plain()
	c.Out, c.Now, c.Terminal = w, time.Now, func(uintptr) bool { return true }
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, c.Console, []string{"watch", "--addr", o.addr})
		_ = w.Close()
	}()
	seen := ""
	buf := make([]byte, 1<<16)
	for !strings.Contains(seen, "1001") { // configured, and never registered
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen += string(buf[:n])
	}
	cancel()
	rest, err := io.ReadAll(r)
	if err != nil || !strings.HasPrefix(seen, "\x1b[?1049h") || !strings.HasSuffix(string(rest), "\x1b[?1049l") || !strings.Contains(seen, "seen from sip1") {
		t.Errorf("%v: %q %q", err, seen, rest)
	}
	if s := patience.Receive(t, "the end of the command", status); s != exitDone {
		t.Errorf("status %d", s)
	}
}
