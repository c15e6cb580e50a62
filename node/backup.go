package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/sealed"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/problem"
)

const (
	backupSuffix = ".backup"
	// backupTime is a time in the name of a backup, whose names have the order of time.
	backupTime = "20060102T150405Z"
	// backupAgain is how soon a backup that failed is tried again.
	backupAgain = time.Minute
)

// keepBackups writes this node's copy of the configuration to a directory, again and
// again, and keeps the last ones. A restart waits for no less than the rest of the time.
func (n *Node) keepBackups(ctx context.Context) error {
	for {
		pause := backupAgain
		last, err := lastBackup(n.cfg.BackupDir, n.cfg.Name)
		if due := time.Until(last.Add(n.cfg.BackupEvery)); err == nil && due > 0 {
			pause = due
		} else if err == nil {
			err = n.backUp(time.Now())
			pause = n.cfg.BackupEvery
		}
		if err != nil {
			n.problems.Begin(problem.Problem{Code: "backup-failed", Text: "the configuration is not backed up: " + err.Error(), Advice: "mend " + n.cfg.BackupDir})
			pause = min(backupAgain, n.cfg.BackupEvery)
		} else {
			n.problems.End("backup-failed", "")
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
	}
}

// backUp writes one backup and removes those that are too many.
func (n *Node) backUp(now time.Time) error {
	view := n.machine.View()
	b, err := sealedBackup(view, n.cfg.BackupPassphraseFile)
	if err != nil {
		return err
	}
	path := filepath.Join(n.cfg.BackupDir, n.cfg.Name+"-"+now.UTC().Format(backupTime)+backupSuffix)
	if err := disk.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	n.log.Info("configuration backed up", "file", path, "index", view.Index(), "dns", view.NumDNs())
	all, err := backups(n.cfg.BackupDir, n.cfg.Name)
	if err != nil {
		return err
	}
	for _, name := range all[:max(0, len(all)-n.cfg.BackupKeep)] {
		err = errors.Join(err, os.Remove(filepath.Join(n.cfg.BackupDir, name)))
	}
	return err
}

// sealedBackup is a backup under the passphrase of a file; "" is none.
func sealedBackup(view *fsm.View, passphraseFile string) ([]byte, error) {
	var b bytes.Buffer
	if passphraseFile == "" {
		_, err := view.Backup().WriteTo(&b)
		return b.Bytes(), err
	}
	secret, err := sealed.ReadPassphrase(passphraseFile)
	if err != nil {
		return nil, fmt.Errorf("--backup-passphrase-file: %w", err)
	}
	w, err := sealed.Writer(&b, secret)
	if err != nil {
		return nil, err
	}
	_, err = view.Backup().WriteTo(w)
	err = errors.Join(err, w.Close()) // which writes the last part
	return b.Bytes(), err
}

// backups are the names of a node's backups, the oldest first; the directory is made
// when it is missing.
func backups(dir, node string) (all []string, err error) {
	if err := disk.MakeDir(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if _, ok := backupOf(e.Name(), node); ok {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return all, err
}

// backupOf is when a file was made, if it is a backup of the node.
func backupOf(name, node string) (time.Time, bool) {
	stamp, ok1 := strings.CutPrefix(name, node+"-")
	stamp, ok2 := strings.CutSuffix(stamp, backupSuffix)
	at, err := time.Parse(backupTime, stamp)
	return at, ok1 && ok2 && err == nil
}

// lastBackup is when the last one was made, the zero time when there is none; one of
// the future, by a clock that was wrong, counts as none.
func lastBackup(dir, node string) (last time.Time, err error) {
	all, err := backups(dir, node)
	for _, name := range all {
		if at, _ := backupOf(name, node); at.Before(time.Now().Add(time.Second)) {
			last = at
		}
	}
	return last, err
}
