package sip

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// shown is the name in the certificate that a port shows.
func (w *world) shown(network string, config *tls.Config) (string, error) {
	config.InsecureSkipVerify = true
	c, err := tls.Dial("tcp", w.server.Addr(transportOf[network]).String(), config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// TestTLS_RenewedCertificate: new files are shown without a restart, and what
// was connected before stays so.
func TestTLS_RenewedCertificate(t *testing.T) {
	var dir string
	w := newWorld(t, func(c *Config) {
		allTransports(t)(c)
		dir = filepath.Dir(c.CertFile)
	}).run()
	l := w.dial("tls")
	l.ask(strings.ReplaceAll(strings.ReplaceAll(alive, "%s", "a"), "WS", "TLS"))
	siptest.WriteCertificate(t, dir, "second")
	for _, network := range []string{"tls", "wss"} {
		until(t, "the new certificate is shown", func() bool { name, err := w.shown(network, &tls.Config{}); return err == nil && name == "second" })
	}
	if res := l.ask(strings.ReplaceAll(strings.ReplaceAll(alive, "%s", "b"), "WS", "TLS")); res.code != 200 {
		t.Error(res)
	}
}

func TestTLS_OldVersionsAreRefused(t *testing.T) {
	w := newWorld(t, allTransports(t)).run()
	for _, network := range []string{"tls", "wss"} {
		if _, err := w.shown(network, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Errorf("%s speaks TLS 1.1", network)
		}
		if _, err := w.shown(network, &tls.Config{MaxVersion: tls.VersionTLS12}); err != nil {
			t.Error(err)
		}
	}
}
