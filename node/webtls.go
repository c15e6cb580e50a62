package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sipcluster/sipcluster/internal/keypair"
	"github.com/sipcluster/sipcluster/node/identity"
)

// webTLS is what the HTTP port shows to whom. The node's own certificate is for programs
// that know the cluster's authority: they ask for the node by its name in the cluster. It
// is of an Ed25519 key, as the authority's, which no browser takes; browsers are shown the
// certificate of the settings, or one that they can at least ask about.
type webTLS struct {
	own   func() *tls.Certificate
	given *keypair.Pair // nil for none
	hosts func() []string

	mu      sync.Mutex
	made    *tls.Certificate // for browsers, of madeOf
	madeOf  *x509.Certificate
	madeFor []string
}

// openWebTLS reads the certificate of the settings, where they have one.
func (n *Node) openWebTLS() (err error) {
	if n.guard == nil {
		return nil // the port speaks in clear
	}
	n.web = &webTLS{own: n.shownCertificate, hosts: n.webHosts}
	if n.cfg.HTTPCertFile == "" {
		return nil
	}
	if n.web.given, err = keypair.Open(n.cfg.HTTPCertFile, n.cfg.HTTPKeyFile, n.log); err != nil {
		return fmt.Errorf("the certificate of the HTTP port: %w", err)
	}
	return nil
}

// webHosts are the names and addresses by which people ask this node, sorted.
func (n *Node) webHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1", hostOf(n.self().GetHttpAddr())}
	for name := range n.cfg.hostNames() {
		hosts = append(hosts, name)
	}
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return h == "" || h == "0.0.0.0" || h == "::" })
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// reload reads the certificate of the settings again.
func (w *webTLS) reload() error {
	if w == nil || w.given == nil {
		return nil
	}
	return w.given.Load()
}

// follow takes a certificate that was changed into use, until the context ends.
func (w *webTLS) follow(ctx context.Context) error {
	if w.given == nil {
		return nil
	}
	if err := w.given.Follow(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// config is that of the server.
func (w *webTLS) config() *tls.Config {
	programs := clientTLS(w.own)
	programs.NextProtos = []string{"http/1.1"}
	programs.GetCertificate = w.certificate
	browsers := programs.Clone()
	browsers.ClientAuth = tls.NoClientCert // a browser would ask its user for one
	programs.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !takesEd25519(hello) {
			return browsers, nil
		}
		return nil, nil //nolint:nilnil // this one
	}
	return programs
}

// takesEd25519 tells whether who connects could verify a certificate of ours.
func takesEd25519(hello *tls.ClientHelloInfo) bool {
	return slices.Contains(hello.SignatureSchemes, tls.Ed25519)
}

// certificate is the one to show.
func (w *webTLS) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	byName := strings.HasSuffix(strings.ToLower(hello.ServerName), identity.Domain)
	if w.given != nil && !byName {
		return w.given.Certificate(), nil
	}
	own := w.own()
	if own == nil {
		return nil, errors.New("this node has no certificate yet")
	}
	if takesEd25519(hello) {
		return own, nil
	}
	return w.forBrowsers(own)
}

// forBrowsers is made once for each certificate of the node.
func (w *webTLS) forBrowsers(own *tls.Certificate) (*tls.Certificate, error) {
	hosts := w.hosts()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made != nil && w.madeOf.Equal(own.Leaf) && slices.Equal(w.madeFor, hosts) {
		return w.made, nil
	}
	made, err := identity.ForBrowsers(own, hosts)
	if err != nil {
		return nil, err
	}
	w.made, w.madeOf, w.madeFor = made, own.Leaf, hosts
	return made, nil
}
