package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestCertificate_ABadOneIsNotUsed: it is said once, and the old one stays.
func TestCertificate_ABadOneIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "first")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		key := filepath.Join(dir, "key.pem")
		c, err := openCertificate(filepath.Join(dir, "cert.pem"), key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		first := c.current.Load()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.follow(ctx) }()
		pause := func() {
			<-time.After(10 * certificateEvery)
			synctest.Wait()
		}
		siptest.PutFile(t, key, []byte("no key"), 0o600)
		pause()
		if c.current.Load() != first || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "the old one stays") {
			t.Errorf("%s", log.String())
		}
		log.Reset()
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		pause()
		siptest.WriteCertificate(t, dir, "second")
		pause()
		if got := c.current.Load().Leaf.Subject.CommonName; got != "second" || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %s", got, log.String())
		}
	})
}

func TestCertificate_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "x")
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	open := func(cert, key, want string) {
		t.Helper()
		if _, err := openCertificate(cert, key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
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
	if _, err := openCertificate(cert, key, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// TestTLS_ClosesFast although the phone does not read.
func TestTLS_ClosesFast(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "x")
	c, err := openCertificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		done := make(chan error, 1)
		phone := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		go func() {
			done <- phone.Handshake()
			_, _ = phone.Read(make([]byte, 1)) // what belongs to the handshake
		}()
		s, err := secure(c.config())(server)
		if err != nil || patience.Receive(t, "the end of the phone's handshake", done) != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = client.SetReadDeadline(time.Now()) // it does not read any more
		synctest.Wait()
		began := time.Now()
		s.Close()
		if d := time.Since(began); d > closingTime {
			t.Errorf("after %v", d)
		}
		client.Close()
	})
}
