package server

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// logLines may wait to be written.
	logLines = 4096
	// lastLines is how long the last ones may take at the end.
	lastLines = time.Second
)

// logWriter is a writer that waits for nobody: a log that nobody reads, or whose disk
// stands still, must not hold up calls. What finds no room is dropped and counted.
type logWriter struct {
	to            io.Writer
	recent        recentLog
	lines         chan []byte
	dropped       atomic.Uint64
	stop, stopped chan struct{}
}

func newLogWriter(to io.Writer) *logWriter {
	return &logWriter{to: to, lines: make(chan []byte, logLines), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// Write implements io.Writer.
func (w *logWriter) Write(line []byte) (int, error) {
	own := bytes.Clone(line)
	w.recent.add(own)
	select {
	case w.lines <- own:
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

// run writes until close. That the reader of a pipe is gone is no matter.
func (w *logWriter) run() {
	defer close(w.stopped)
	for {
		select {
		case line := <-w.lines:
			w.write(line)
		case <-w.stop:
			for {
				select {
				case line := <-w.lines:
					w.write(line)
				default:
					return
				}
			}
		}
	}
}

func (w *logWriter) write(line []byte) {
	if n := w.dropped.Swap(0); n > 0 {
		_, _ = fmt.Fprintf(w.to, "sipcluster: %d lines of the log were dropped: they were not read, or not written, fast enough\n", n)
	}
	_, _ = w.to.Write(line)
}

// close writes what waits, if it can be done soon.
func (w *logWriter) close() {
	close(w.stop)
	select {
	case <-w.stopped:
	case <-time.After(lastLines):
	}
}
