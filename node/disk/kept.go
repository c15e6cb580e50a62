package disk

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// Kept is a small file that has what somebody has in memory: its content is replaced as a
// whole, again and again. Nobody holds a lock while that goes on, and on a disk that does
// not answer nobody waits for ever.
type Kept struct {
	path string
	mode os.FileMode

	mu   sync.Mutex
	busy bool
	next *replacement // nil: nothing is newer than what is being written
}

// replacement is for all who gave a content before it began; the last one's counts.
type replacement struct {
	content []byte
	done    chan struct{}
	err     error // once done
}

// NewKept is a file that may be there already.
func NewKept(path string, mode os.FileMode) *Kept { return &Kept{path: path, mode: mode} }

// Put gives the file's next content and does not wait: call it under the lock of what the
// content is of, so that the last one is the newest. wait tells what became of it, or
// ErrStalled after StallsAfter; it is written all the same when the disk answers.
func (k *Kept) Put(content []byte) (wait func() error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == nil {
		k.next = &replacement{done: make(chan struct{})}
	}
	r := k.next
	r.content = content
	if !k.busy {
		k.busy = true
		go k.write()
	}
	return func() error { return k.wait(r) }
}

func (k *Kept) wait(r *replacement) error {
	limit := time.NewTimer(StallsAfter)
	defer limit.Stop()
	select {
	case <-r.done:
		return r.err
	case <-limit.C:
		return fmt.Errorf("%s: %w within %s", k.path, ErrStalled, StallsAfter)
	}
}

// write writes until there is nothing newer.
func (k *Kept) write() {
	for r := k.take(); r != nil; r = k.take() {
		r.err = WriteFile(k.path, r.content, k.mode)
		close(r.done)
	}
}

func (k *Kept) take() (r *replacement) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, k.next = k.next, nil
	k.busy = r != nil
	return r
}
