package disk

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// ErrDamaged says that a database's file holds what its writer did not put there.
var ErrDamaged = errors.New("damaged")

// Guard runs fn, which uses a bbolt database, and turns what bbolt does on a
// damaged file, panics and faults in the mapped pages, into ErrDamaged. A
// transaction that panicked keeps its lock: closing the database would wait for it.
func Guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return fn()
}

// SetAside renames a damaged file, so that somebody can look at it, and returns
// its new path.
func SetAside(path string, now time.Time) (string, error) {
	to := path + ".damaged-" + now.UTC().Format("20060102T150405.000000000Z")
	return to, os.Rename(path, to)
}
