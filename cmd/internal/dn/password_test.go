package dn

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/api/credential"
)

// A password that everybody can read is none.
func TestPasswordFile_OnlyItsOwnerMayReadIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("open-sesame\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o660: true, 0o644: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		got, err := passwordOf(file, nil, "--password-file")
		if refused != errors.Is(err, credential.ErrWide) || !refused && got != "open-sesame" {
			t.Errorf("mode %04o: %q %v", mode, got, err)
		}
	}
}
