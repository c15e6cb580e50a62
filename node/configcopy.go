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

// openMachine opens the configuration. A damaged one is set aside: the copy is served
// until the log brings what came later, and without a copy all comes from the log.
func (n *Node) openMachine() (err error) {
	path := filepath.Join(n.cfg.DataDir, configFile)
	open := func() error {
		n.machine, err = fsm.Open(fsm.Config{Path: path, Log: n.log})
		return err
	}
	if !errors.Is(open(), fsm.ErrCorrupt) {
		return err
	}
	if err := n.damage.without(path, err, "the configuration comes from its copy of before and from the log", ""); err != nil {
		return err
	}
	b, readErr := os.ReadFile(filepath.Join(n.cfg.DataDir, configCopy))
	if readErr == nil {
		readErr = os.WriteFile(path, b, 0o600)
	}
	if readErr != nil {
		return open()
	}
	if !errors.Is(open(), fsm.ErrCorrupt) {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return open()
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
