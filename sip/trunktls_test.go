package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/location"
)

// authority signs the certificates of gateways.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.cert = a.make(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, Subject: pkix.Name{CommonName: "CA"}}, nil, &a.key.PublicKey)
	return a
}

func (a *authority) make(c, parent *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	c.SerialNumber, c.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

// file has the authority's own certificate.
func (a *authority) file() string {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// of is a certificate of a name, good until some time: of a host's, or of a SIP domain's
// as a URI "sip:carrier.test".
func (a *authority) of(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	wanted := &x509.Certificate{NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if domain, ok := strings.CutPrefix(name, "sip:"); ok {
		wanted.URIs = []*url.URL{{Scheme: "sip", Opaque: domain}}
	} else {
		wanted.DNSNames = []string{name}
	}
	c := a.make(wanted, a.cert, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

// TestTrunk_IsKnownByItsCertificate, from any address, and by nothing else.
func TestTrunk_IsKnownByItsCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	w := callWorld(t, func(c *Config) {
		allTransports(t)(c)
		c.ClientCAFile = ca.file()
	}, "1002")
	w.carrier("", func(t *configpb.Trunk) { t.Address, t.TlsName = "127.0.0.1:5061", "sbc.example.org" })
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name string
		show []tls.Certificate
		want string // of an INVITE from a number that is nobody's here
	}{
		{"its own", []tls.Certificate{ca.of("sbc.example.org", later)}, "480"},
		{"that of a SIP domain", []tls.Certificate{ca.of("sip:sbc.example.org", later)}, "480"},
		{"that of another SIP domain", []tls.Certificate{ca.of("sip:evil.example.org", later)}, "403"},
		{"of another name", []tls.Certificate{ca.of("evil.example.org", later)}, "403"},
		{"of another authority", []tls.Certificate{other.of("sbc.example.org", later)}, "403"},
		{"out of date", []tls.Certificate{ca.of("sbc.example.org", time.Now().Add(-time.Minute))}, "403"},
		{"none", nil, "403"},
	} {
		conn, err := tls.Dial("tcp", w.server.Addr(location.TLS).String(), &tls.Config{InsecureSkipVerify: true, Certificates: c.show})
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := askOver(t, conn, "INVITE", uriTo("1002")); !strings.HasPrefix(got, "SIP/2.0 "+c.want) {
			t.Errorf("%s: %.40q, want %s", c.name, got, c.want)
		}
		if got := askOver(t, conn, "REGISTER", "sip:"+testRealm); c.want == "480" && !strings.HasPrefix(got, "SIP/2.0 403 A trunk") {
			t.Errorf("%s: REGISTER %.40q", c.name, got)
		}
		conn.Close()
	}
	if n, _ := w.server.proxy.Trunk(mustAddrPort("127.0.0.1:5061"), location.UDP); n != "" {
		t.Error("its address is enough for", n)
	}
}

// askOver sends a request from nobody over a connection, and is the first response that
// is no 100.
func askOver(t *testing.T, c net.Conn, method, uri string) string {
	t.Helper()
	to := uriTo("1002")
	text := method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: 70\r\nFrom: <sip:+4930@gw.test>;tag=1\r\nTo: <" + to +
		">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 " + method + "\r\nContact: <sip:x@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(buf[:n]); !strings.HasPrefix(got, "SIP/2.0 1") {
			return got
		}
	}
}
