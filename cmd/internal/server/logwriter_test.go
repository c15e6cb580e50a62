package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// stuckWriter takes nothing before it is let go.
type stuckWriter struct {
	free chan struct{}
	bytes.Buffer
}

func (s *stuckWriter) Write(b []byte) (int, error) {
	<-s.free
	return s.Buffer.Write(b)
}

func TestLogWriter_WaitsForNobodyAndSaysWhatWasDropped(t *testing.T) {
	to := &stuckWriter{free: make(chan struct{})}
	w := newLogWriter(to)
	go w.run()
	patience.Done(t, "all is written at once", func() {
		for i := range 2 * logLines {
			fmt.Fprintf(w, "line %d\n", i)
		}
	})
	close(to.free)
	w.close()
	lines := strings.Split(strings.TrimSpace(to.String()), "\n")
	if len(lines) < logLines || len(lines) > logLines+8 {
		t.Fatalf("%d lines are in the log", len(lines))
	}
	if !strings.Contains(to.String(), " lines of the log were dropped") || !strings.Contains(to.String(), "line 0\n") {
		t.Errorf("it begins by\n%s", strings.Join(lines[:3], "\n"))
	}
}
