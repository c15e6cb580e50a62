package console_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

func TestClean_LeavesNothingThatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"plain \u00e4\u4e16\tx\n": "plain \u00e4\u4e16\tx\n", "\x1b[2Jgone\x07": "[2Jgone", "a\u009b31mb": "a31mb", "\u202eabc\u2066": "abc", "x\rz\x00\x7f": "xz",
	} {
		clienttest.Same(t, console.Clean(in), want)
	}
	clienttest.Same(t, console.OneLine("a\nb\x1b[1mc"), "a b[1mc")
}

func TestOwnerOnly_NarrowsAFileWithSecrets(t *testing.T) {
	for _, c := range []struct {
		mode    os.FileMode
		secrets bool
		want    os.FileMode
	}{{0o644, true, 0o600}, {0o644, false, 0o644}, {0o600, true, 0o600}, {0o400, true, 0o400}} {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_WRONLY, c.mode)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Chmod(c.mode); err != nil {
			t.Fatal(err)
		}
		o, _ := clienttest.Plain()
		o.Out = f
		if err := o.OwnerOnly(c.secrets); err != nil {
			t.Error(err)
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%o, secrets %v: %v", c.mode, c.secrets, info.Mode())
		}
		_ = f.Close()
	}
}
