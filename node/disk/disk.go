// Package disk makes files and directories that are there, whole, after a power
// failure: fsync of a file says nothing of its name, which is durable with the
// fsync of its directory, and a file that was half made must not be found under
// its name. All that a node keeps is made through here.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil // a file system that can't, and does without
	}
	return errors.Join(err, d.Close())
}

// MakeDir makes dir and what is missing above it, and their names durable; also
// that of a dir that is there, since whoever made it may have been killed then.
func MakeDir(dir string, mode os.FileMode) error {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := MakeDir(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil && !isDir(dir) {
		return err
	}
	if err := SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err // a parent that we may not read was not made by us
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// WriteFile replaces the content of a file in one step: after a power failure
// there is the old or the new one, and the new one when WriteFile returned nil.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	return Replace(path, mode, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// Replace is WriteFile for a content that write writes.
func Replace(path string, mode os.FileMode, write func(io.Writer) error) error {
	f, err := os.OpenFile(newPath(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return rename(path)
}

// MakeBolt makes an empty bbolt file unless there is one with anything in it.
// bbolt itself makes it in place, and refuses one that it did not finish.
func MakeBolt(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return SyncDir(filepath.Dir(path))
	}
	half := newPath(path)
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bolt.Open(half, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return errors.Join(fmt.Errorf("making %s: %w", path, err), ignoreMissing(os.Remove(half)))
	}
	if err := db.Close(); err != nil {
		return err
	}
	return rename(path)
}

// newPath is where the next content of a file is made.
func newPath(path string) string { return path + ".new" }

// rename gives the new content its name, for good.
func rename(path string) error {
	if err := os.Rename(newPath(path), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
