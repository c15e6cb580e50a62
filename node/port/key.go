package port

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// MinKey is the least length of a cluster key in bytes.
const MinKey = 32

// nodeRole is the name in every node's certificate.
const nodeRole = "node.sipcluster"

// Key is what the shared secret of a cluster becomes: a certificate
// authority that every holder of the secret can derive, for mutual TLS at the
// cluster port, and the key of the gossip.
type Key struct {
	server, client *tls.Config
	// Gossip is the key of the gossip, Routes that of SIP between nodes.
	Gossip, Routes []byte
}

// NewKey derives everything from the secret (RFC 5869).
func NewKey(secret []byte) (*Key, error) {
	if len(secret) < MinKey {
		return nil, fmt.Errorf("the cluster key has %d bytes, at least %d are needed: make one with `openssl rand -hex 32`", len(secret), MinKey)
	}
	seed, err1 := hkdf.Key(sha256.New, secret, nil, "sipcluster certificate authority", ed25519.SeedSize)
	gossip, err2 := hkdf.Key(sha256.New, secret, nil, "sipcluster gossip", 32)
	routes, err3 := hkdf.Key(sha256.New, secret, nil, "sipcluster routes", 32)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	cert, pool, err := issue(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, err
	}
	base := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: pool, ClientCAs: pool, ServerName: nodeRole}
	server, client := base.Clone(), base.Clone()
	server.ClientAuth = tls.RequireAndVerifyClientCert
	return &Key{server: server, client: client, Gossip: gossip, Routes: routes}, nil
}

// issue makes this process a certificate under the derived authority. It is
// valid for ever: the secret is what expires a cluster's trust, and a node with
// a wrong clock must stay in.
func issue(ca ed25519.PrivateKey) (tls.Certificate, *x509.CertPool, error) {
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sipcluster"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, ca.Public(), ca)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	if root, err = x509.ParseCertificate(rootDER); err != nil {
		return tls.Certificate{}, nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: nodeRole}, DNSNames: []string{nodeRole},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, public, ca)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pool, nil
}
