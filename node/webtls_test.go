package node

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/keypair"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestWebTLS_EachIsShownWhatHeCanVerify: browsers, that take no Ed25519 key, and programs
// that know the cluster.
func TestWebTLS_EachIsShownWhatHeCanVerify(t *testing.T) {
	own := certificateOf(t, "sip1")
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "board.example.com")
	given, err := keypair.Open(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	browser := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}
	program := append(browser, tls.Ed25519)
	for name, c := range map[string]struct {
		given   *keypair.Pair
		schemes []tls.SignatureScheme
		asked   string
		want    string
		asks    tls.ClientAuthType
	}{
		"a browser":                          {nil, browser, "10.0.1.10", "for browsers", tls.NoClientCert},
		"a program":                          {nil, program, "", "own", tls.RequestClientCert},
		"a browser, of the settings":         {given, browser, "board.example.com", "given", tls.NoClientCert},
		"a program, of the settings":         {given, program, "board.example.com", "given", tls.RequestClientCert},
		"who knows the cluster, of settings": {given, program, "SIP1.node.sipcluster", "own", tls.RequestClientCert},
	} {
		t.Run(name, func(t *testing.T) {
			w := &webTLS{own: func() *tls.Certificate { return own }, given: c.given, hosts: func() []string { return []string{"10.0.1.10"} }}
			hello := &tls.ClientHelloInfo{ServerName: c.asked, SignatureSchemes: c.schemes}
			config := w.config()
			if other, err := config.GetConfigForClient(hello); err != nil {
				t.Fatal(err)
			} else if other != nil {
				config = other
			}
			got, err := config.GetCertificate(hello)
			if err != nil {
				t.Fatal(err)
			}
			shown := map[bool]string{true: "own"}[got == own]
			switch {
			case got == given.Certificate():
				shown = "given"
			case got.Leaf.PublicKeyAlgorithm == x509.ECDSA:
				shown = "for browsers"
			}
			if shown != c.want || config.ClientAuth != c.asks {
				t.Errorf("the certificate is %s, want %s; a client's is asked for: %v", shown, c.want, config.ClientAuth)
			}
			if again, err := config.GetCertificate(hello); err != nil || again != got {
				t.Errorf("it is made anew each time: %v", err)
			}
		})
	}
}

func certificateOf(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	i, err := identity.Open(identity.Config{Dir: t.TempDir(), ID: "i", Name: name, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.SetSeal(identity.NewSeal()); err != nil {
		t.Fatal(err)
	}
	a, err := newAuthority(i.Seal())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Renew("c", []*configpb.Authority{a}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return i.Certificate()
}
