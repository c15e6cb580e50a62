package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// TestBrowser_SecureWebSocket: a phone registers over wss, and TLS is served to
// others beside it.
func TestBrowser_SecureWebSocket(t *testing.T) {
	needPrograms(t, "chromium")
	scripts := bundle(t)
	c := newCluster(t, cluster.Config{Nodes: 2, Loopback: true}, true)
	cert, key := selfSigned(t)
	secure, plainTLS := freeAddr(t, c.Node(1)), freeAddr(t, c.Node(1))
	must(t, c.Node(1).Start(t.Context(), "--sip-wss-addr", secure, "--sip-tls-addr", plainTLS, "--sip-tls-cert", cert, "--sip-tls-key", key))
	must(t, c.Node(2).Start(t.Context()))
	ph := phones(t, c.Node(1), "8131")
	args := settings(secure, ph[0])
	args.Set("server", "wss://"+secure)
	openPage(t, scripts, "jssip", args).wait("registered")
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph, c.Nodes()...)
	conn, err := tls.Dial("tcp", plainTLS, &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	must(t, conn.Close())
}

// freeAddr is an address of the node that nobody listens on at this moment.
func freeAddr(t *testing.T, n *cluster.Node) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(n.Addr(cluster.SIP).Addr().String(), "0"))
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// selfSigned writes a certificate that no browser trusts unless it is told to.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}
