package credential

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a refused file says is what makes it a good one for whom it is refused.
func TestReadSecret_TheErrorSaysWhatMendsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "invite")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(file); !errors.Is(err, ErrWide) || !strings.HasSuffix(err.Error(), ": chmod 600 "+file) {
		t.Errorf("one's own file that is too wide: %v", err)
	}
	if got, want := mend(file, false), "chown "+me()+" "+file+" && chmod 600 "+file; got != want {
		t.Errorf("somebody else's file: %s, want %s", got, want)
	}
	if os.Geteuid() == 0 {
		return // nothing is refused to root
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(file); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chown "+me()+" ") {
		t.Errorf("a file that is not for us: %v", err)
	}
}
