package wire

import (
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/keypair"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestTLS_ClosesFast although the phone does not read.
func TestTLS_ClosesFast(t *testing.T) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "x")
	c, err := keypair.Open(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
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
		s, err := secure(serverTLS(c))(server)
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
