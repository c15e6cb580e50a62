package sealed

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/internal/race"
)

// The race detector makes scrypt ten times as slow.
func TestMain(m *testing.M) {
	if race.Enabled {
		workFactor = 10
	}
	os.Exit(m.Run())
}

func sealedOf(t *testing.T, text, passphrase string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Writer(&b, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(b []byte, passphrase string) (string, error) {
	r, err := Reader(bytes.NewReader(b), func() (string, error) { return passphrase, nil })
	if err != nil {
		return "", err
	}
	out, err := io.ReadAll(r)
	return string(out), err
}

// What is sealed is opened by its passphrase alone, whole or not at all; what is not
// sealed asks for none.
func TestSealed(t *testing.T) {
	text := strings.Repeat("configuration ", 20_000)
	b := sealedOf(t, text, "correct horse")
	if bytes.Contains(b, []byte("configuration")) {
		t.Fatal("it is in the clear")
	}
	if got, err := open(b, "correct horse"); err != nil || got != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, wrong := range []string{"correct house", "", "short"} {
		if _, err := open(b, wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	for name, damaged := range map[string][]byte{"cut short": b[:len(b)-1], "cut in its head": b[:60], "changed": append(append([]byte{}, b[:len(b)-9]...), []byte("deadbeef!")...)} {
		if _, err := open(damaged, "correct horse"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := open([]byte("plain"), "unasked"); err != nil || got != "plain" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Writer(io.Discard, "seven77"); err == nil {
		t.Error("a short passphrase is taken")
	}
}

// A passphrase is read from a file that nobody else may read.
func TestReadPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	for content, want := range map[string]string{"correct horse\nand more": "correct horse", "correct horse\r\n": "correct horse", "correct horse": "correct horse", "short\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPassphrase(file); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPassphrase(file); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a file that the group may read: %v", err)
	}
}
