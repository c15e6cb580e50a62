package keypair

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestPair_ABadOneIsNotUsed: it is said once, and the old one stays.
func TestPair_ABadOneIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "first")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		key := filepath.Join(dir, "key.pem")
		c, err := Open(filepath.Join(dir, "cert.pem"), key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		first := c.Certificate()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Follow(ctx) }()
		pause := func() {
			<-time.After(10 * Every)
			synctest.Wait()
		}
		siptest.PutFile(t, key, []byte("no key"), 0o600)
		pause()
		if c.Certificate() != first || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "the old one stays") {
			t.Errorf("%s", log.String())
		}
		log.Reset()
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		pause()
		siptest.WriteCertificate(t, dir, "second")
		pause()
		if got := c.Certificate().Leaf.Subject.CommonName; got != "second" || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %s", got, log.String())
		}
	})
}

func TestPair_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "x")
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	open := func(cert, key, want string) {
		t.Helper()
		if _, err := Open(cert, key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want a word about %q", err, want)
		}
	}
	open("", "", "PEM")
	open(cert, filepath.Join(dir, "none"), "none")
	open(key, key, key)
	for _, mode := range []os.FileMode{0o644, 0o660, 0o604} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		open(cert, key, "chmod")
	}
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cert, key, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}
