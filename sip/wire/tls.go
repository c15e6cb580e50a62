package wire

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/sipcluster/sipcluster/internal/keypair"
)

// serverTLS shows a certificate to phones.
func serverTLS(c *keypair.Pair) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.Certificate(), nil
	}}
}

// secure makes the server's side of TLS.
func secure(config *tls.Config) func(net.Conn) (net.Conn, error) {
	return func(raw net.Conn) (net.Conn, error) {
		c := tls.Server(raw, config)
		if err := c.Handshake(); err != nil {
			return nil, err
		}
		return secureConn{Conn: c}, nil
	}
}

// secureConn closes in a short time, also when the phone does not read.
type secureConn struct {
	*tls.Conn
	// shown is the certificate of the other side; nil for none that is believed.
	shown *x509.Certificate
}

func (c secureConn) Close() error {
	t := time.AfterFunc(closingTime, func() { c.NetConn().Close() })
	defer t.Stop()
	return c.Conn.Close()
}
