package server

import (
	"bytes"
	"sync"
)

// maxRecentLog is how much of the log is kept in memory, in bytes.
const maxRecentLog = 1 << 20

// recentLog is the last lines of the log: those that were dropped are in it too.
type recentLog struct {
	mu    sync.Mutex
	lines [][]byte // a queue from first on
	first int
	size  int
}

// add keeps the line, which nobody changes any more.
func (r *recentLog) add(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	for r.size += len(line); r.size > maxRecentLog; r.first++ {
		r.size -= len(r.lines[r.first])
		r.lines[r.first] = nil
	}
	if r.first > len(r.lines)/2 {
		r.lines, r.first = append([][]byte(nil), r.lines[r.first:]...), 0
	}
}

// text are the lines, the oldest first.
func (r *recentLog) text() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Join(r.lines[r.first:], nil)
}
