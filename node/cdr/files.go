package cdr

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/disk"
)

const (
	// fileMode lets a group read, whose programs collect the records.
	fileMode, dirMode = 0o640, 0o750
	// fileTime names the files in the order of time.
	fileTime = "20060102T150405.000000000Z"
	suffix   = ".jsonl"
)

// files are those of a node in a directory: NODE-calls-TIME.jsonl, of which the newest is
// written. Of a line that a crash has cut off nothing stays: who reads them finds whole ones.
type files struct {
	dir, prefix string
	size        int64
	keep        int

	mu      sync.Mutex
	f       *os.File
	written int64
	// grown is closed and made anew when there is more.
	grown chan struct{}
}

func openFiles(dir, node string, size int64, keep int) (*files, error) {
	if err := disk.MakeDir(dir, dirMode); err != nil {
		return nil, err
	}
	f := &files{dir: dir, prefix: node + "-calls-", size: size, keep: keep, grown: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f, f.open()
}

// list are the names of the files, the oldest first.
func (f *files) list() (all []string, err error) {
	entries, err := os.ReadDir(f.dir)
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), f.prefix)
		stamp, ok2 := strings.CutSuffix(stamp, suffix)
		if _, err := time.Parse(fileTime, stamp); ok && ok2 && err == nil {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return all, err
}

// open goes on in the newest file, or makes the first.
func (f *files) open() error {
	all, err := f.list()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return f.next()
	}
	file, err := os.OpenFile(filepath.Join(f.dir, all[len(all)-1]), os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	end, err := wholeLines(file)
	if err == nil {
		err = file.Truncate(end)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.f, f.written = file, end
	return nil
}

// wholeLines is up to where a file has whole lines.
func wholeLines(file *os.File) (end int64, err error) {
	end, err = file.Seek(0, io.SeekEnd)
	buf := make([]byte, 64<<10)
	for err == nil && end > 0 {
		part := buf[:min(end, int64(len(buf)))]
		if _, err = file.ReadAt(part, end-int64(len(part))); err != nil {
			break
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return end - int64(len(part)-i-1), nil
		}
		end -= int64(len(part))
	}
	return end, err
}

// end is up to where the newest file is written.
func (f *files) end() (name string, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return "", 0
	}
	return filepath.Base(f.f.Name()), f.written
}

// next begins another file, and removes those that are too many. Its name is behind all
// others, whatever the clock says.
func (f *files) next() error {
	all, err := f.list()
	if err != nil {
		return err
	}
	name := f.prefix + time.Now().UTC().Format(fileTime) + suffix
	if len(all) > 0 && name <= all[len(all)-1] {
		stamp := strings.TrimSuffix(strings.TrimPrefix(all[len(all)-1], f.prefix), suffix)
		last, err := time.Parse(fileTime, stamp)
		if err != nil {
			return err
		}
		name = f.prefix + last.Add(1).Format(fileTime) + suffix
	}
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	if f.f != nil { // which nobody has the disk keep later
		err = errors.Join(f.f.Sync(), f.f.Close())
	}
	f.f, f.written = file, 0
	all = append(all, name)
	for _, old := range all[:max(0, len(all)-f.keep)] {
		err = errors.Join(err, os.Remove(filepath.Join(f.dir, old)))
	}
	return errors.Join(err, disk.SyncDir(f.dir))
}

// write appends whole lines: all of them, or what was written of them is taken back.
func (f *files) write(lines []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil && !f.named() {
		_ = f.f.Close() // nobody reads what would be written to it
		f.f = nil
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.written > 0 && f.written+int64(len(lines)) > f.size {
		if err := f.next(); err != nil {
			return err
		}
	}
	n, err := f.f.Write(lines)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, f.f.Truncate(f.written))
		}
		err = errors.Join(err, f.f.Close())
		f.f = nil
		return err
	}
	f.written += int64(n)
	close(f.grown)
	f.grown = make(chan struct{})
	return nil
}

// named tells whether the file that is written is still the one of its name: somebody may have
// removed or renamed it.
func (f *files) named() bool {
	is, err := f.f.Stat()
	if err != nil {
		return false
	}
	found, err := os.Stat(f.f.Name())
	return err == nil && os.SameFile(is, found)
}

// sync has the disk keep what was written.
func (f *files) sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	return f.f.Sync()
}

// more is closed when there is more than there was when it was asked for.
func (f *files) more() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.grown
}

func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil {
		_ = errors.Join(f.f.Sync(), f.f.Close())
		f.f = nil
	}
}
