package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
)

// Name is what a node's certificate calls a node.
func Name(node string) string { return node + Domain }

// Domain ends the names that nodes' certificates have.
const Domain = ".node.sipcluster"

// ForBrowsers is a certificate for who can't verify that of the node: browsers take no
// Ed25519 key (and say ERR_SSL_VERSION_OR_CIPHER_MISMATCH). It is of a key on P-256 that
// follows from the node's own, signed by itself, for the hosts that are given, and lasts
// as long as the node's. Of the same node's certificate and hosts come the same bytes, so
// that what somebody has accepted once stays accepted over a restart.
func ForBrowsers(own *tls.Certificate, hosts []string) (*tls.Certificate, error) {
	private, ok := own.PrivateKey.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("the key of this node is not an Ed25519 key")
	}
	key, err := browserKey(private)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serialOf(own.Leaf.Raw, hosts), Subject: own.Leaf.Subject, NotBefore: own.Leaf.NotBefore, NotAfter: own.Leaf.NotAfter,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: own.Leaf.DNSNames,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key) // without chance: RFC 6979
	if err != nil {
		return nil, fmt.Errorf("a certificate for browsers: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// browserKey follows from a node's key and tells nothing of it.
func browserKey(private ed25519.PrivateKey) (*ecdsa.PrivateKey, error) {
	for try := range 8 { // nearly all numbers of that length are keys
		scalar, err := hkdf.Key(sha256.New, private.Seed(), nil, fmt.Sprintf("sipcluster certificate for browsers %d", try), 32)
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("no key for browsers follows from that of the node")
}

// serialOf is another one for each certificate.
func serialOf(own []byte, hosts []string) *big.Int {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %q", own, hosts))
	return new(big.Int).SetBytes(sum[:8])
}
