package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
)

// clients is what TLS asks of who connects: the certificate by which a gateway is known.
// Who shows none, or one that nobody here believes in, is connected all the same: phones
// do that.
type clients struct {
	// asks tells whether anybody is known by a certificate; nil for never.
	asks func() bool
	// file has the roots that certificates lead to; "" for the system's.
	file  string
	roots atomic.Pointer[x509.CertPool]
}

// load reads the file.
func (cl *clients) load() error {
	roots, err := rootsOf(cl.file)
	if err == nil {
		cl.roots.Store(roots)
	}
	return err
}

// rootsOf reads a PEM file of authorities; nil, those of the system, without one.
func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("sip: authorities of gateways: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("sip: authorities of gateways: %s has no certificate in PEM form", file)
	}
	return pool, nil
}

// config is that of TLS, which asks for a certificate while somebody is known by one.
func (cl *clients) config(config *tls.Config) *tls.Config {
	if cl.asks == nil {
		return config
	}
	asking := config.Clone()
	asking.ClientAuth = tls.RequestClientCert
	both := config.Clone()
	both.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if cl.asks() {
			return asking, nil
		}
		return config, nil
	}
	return both
}

// shown is the certificate that the other side has shown, if it is believed. One made for
// servers serves as well: many gateways have no other.
func (cl *clients) shown(c *tls.Conn) *x509.Certificate {
	list := c.ConnectionState().PeerCertificates
	if len(list) == 0 || believed(list, cl.roots.Load(), x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth) != nil {
		return nil
	}
	return list[0]
}

// believed tells whether a certificate leads to the roots by those that came with it.
func believed(list []*x509.Certificate, roots *x509.CertPool, usages ...x509.ExtKeyUsage) error {
	between := x509.NewCertPool()
	for _, x := range list[1:] {
		between.AddCert(x)
	}
	_, err := list[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: usages})
	return err
}

// ofName tells whether a certificate is of a name: as a host's, or as that of a SIP domain,
// which is a URI "sip:example.com" (RFC 5922 §7.1). A common name does not count.
func ofName(c *x509.Certificate, name string) error {
	for _, u := range c.URIs {
		if strings.EqualFold(u.Scheme, "sip") && strings.EqualFold(u.Opaque, name) {
			return nil
		}
	}
	return c.VerifyHostname(name)
}

// secured makes the server's side of TLS for who may show a certificate.
func (cl *clients) secured(config *tls.Config) func(net.Conn) (net.Conn, error) {
	shake := secure(cl.config(config))
	return func(raw net.Conn) (net.Conn, error) {
		c, err := shake(raw)
		if err != nil {
			return nil, err
		}
		s := c.(secureConn)
		s.shown = cl.shown(s.Conn)
		return s, nil
	}
}
