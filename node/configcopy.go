package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
)

const (
	// configCopy is a copy of the configuration of some minutes ago, for the case that
	// the file itself gets damaged.
	configCopy = "config.db.good"
	// firstCopy is when the copy is made first behind a start, copyEach how often it
	// follows what has changed.
	firstCopy = 10 * time.Second
	copyEach  = 10 * time.Minute
)

// openMachine opens the configuration; loadMachine reads the DNs of it.
func (n *Node) openMachine() error {
	return n.mend(func() (err error) {
		n.machine, err = fsm.Begin(fsm.Config{Path: filepath.Join(n.cfg.DataDir, configFile), Log: n.log})
		return err
	}, func() {})
}

// loadMachine has damaged called before it takes up another one than it was opened with.
func (n *Node) loadMachine(ctx context.Context, damaged func()) error {
	return n.mend(func() error { return n.machine.Load(ctx) }, damaged)
}

// partial tells whether the configuration that was read may lack what was in it before.
func (n *Node) partial() bool { return n.patched.Load() || n.machine.View().Epoch() == "" }

// mend does what reads the configuration. A damaged one is set aside: the copy is served
// until the log brings what came later, and without a copy all comes from the log.
func (n *Node) mend(read func() error, damaged func()) error {
	err := read()
	if !errors.Is(err, fsm.ErrCorrupt) {
		return err
	}
	n.patched.Store(true)
	damaged()
	path := filepath.Join(n.cfg.DataDir, configFile)
	if err := n.damage.without(path, err, "the configuration comes from its copy of before and from the log", ""); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(n.cfg.DataDir, configCopy))
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return read()
	}
	if err := read(); !errors.Is(err, fsm.ErrCorrupt) {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return read()
}

// keepCopy copies the configuration now and then, when it has changed.
func (n *Node) keepCopy(ctx context.Context) error {
	next := time.NewTimer(firstCopy)
	defer next.Stop()
	for copied := uint64(0); ; next.Reset(copyEach) {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		if index := n.machine.View().Index(); index != copied {
			if err := n.machine.CopyTo(filepath.Join(n.cfg.DataDir, configCopy)); err != nil {
				n.log.Warn("the configuration can't be copied, to be tried again", "err", err)
				continue
			}
			copied = index
		}
	}
}
