package e2e_test

import (
	"crypto/tls"
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// TestBrowser_SecureWebSocket: a phone registers over wss, and TLS is served to
// others beside it.
func TestBrowser_SecureWebSocket(t *testing.T) {
	t.Parallel()
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
	ip := n.Addr(cluster.SIP).Addr()
	port, err := cluster.FreePort(ip)
	must(t, err)
	return netip.AddrPortFrom(ip, port).String()
}

// selfSigned writes a certificate that no browser trusts unless it is told to.
func selfSigned(t *testing.T) (string, string) {
	t.Helper()
	cert, key, err := cluster.Certificate(t.TempDir())
	must(t, err)
	return cert, key
}
