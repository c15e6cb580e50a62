package node

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/sealed"
	"github.com/sipcluster/sipcluster/fsm"
)

// A node backs its configuration up as often as it shall, sealed, and keeps the last
// ones, touching no other file; what is there counts after a restart.
func TestBackup_ScheduledKeepsTheLast(t *testing.T) {
	dir, secret := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(secret, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	if testing.Short() { // sealing takes the race detector long, and is others' test
		secret = ""
	}
	m := run(t, config(t, "n1", func(c *Config) {
		c.Bootstrap, c.BackupDir, c.BackupEvery, c.BackupKeep, c.BackupPassphraseFile = true, dir, time.Hour, 2, secret
	}))
	await(t, "the first backup", func() bool { all, err := backups(dir, "n1"); return err == nil && len(all) == 1 })
	m.write(t, []*member{m}, phoneDN("1001"))
	for _, name := range []string{"n1-20200101T000000Z.backup.txt", "n10-20200101T000000Z.backup", "notes"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := m.backUp(time.Now().Add(time.Duration(i+1) * -time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := backups(dir, "n1")
	entries, _ := os.ReadDir(dir)
	if err != nil || len(all) != 2 || !slices.IsSorted(all) || len(entries) != 5 {
		t.Fatalf("%s among %d files, %v", all, len(entries), err)
	}
	b, err := os.ReadFile(filepath.Join(dir, all[0]))
	if err != nil {
		t.Fatal(err)
	}
	open, err := sealed.Reader(bytes.NewReader(b), func() (string, error) { return "correct horse", nil })
	if err != nil {
		t.Fatal(err)
	}
	view, err := fsm.ReadBackup(open)
	if err != nil || view.DN("1001") == nil {
		t.Errorf("a backup without the DN: %v", err)
	}
	if info, _ := os.Stat(filepath.Join(dir, all[0])); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if last, err := lastBackup(dir, "n1"); err != nil || time.Since(last) > time.Hour {
		t.Errorf("the last one is of %v, %v", last, err)
	}
}

// What keeps a node from backing up is told, and SIP goes on.
func TestBackup_ScheduledFailureIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap, c.BackupDir, c.BackupEvery, c.BackupKeep = true, file, time.Hour, 2 }))
	await(t, "the problem", func() bool { return m.hasProblem("backup-failed") })
}
