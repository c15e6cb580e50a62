package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
)

const (
	// authorityLife and nodeLife are how long certificates last; a node renews its
	// own after two thirds.
	authorityLife = 20 * 365 * 24 * time.Hour
	nodeLife      = 365 * 24 * time.Hour
	// slack is how far behind a clock may be that looks at a new certificate.
	slack = 24 * time.Hour
	// SealSize is the length of the key that opens those of authorities.
	SealSize = 32
)

// Authority signs the certificates of the nodes of a cluster. Every node opens its
// key, and signs its own certificate by it: what makes a key a node's is the roster.
type Authority struct {
	Certificate *x509.Certificate
	key         ed25519.PrivateKey
}

// NewAuthority makes one.
func NewAuthority(now time.Time) (*Authority, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sipcluster authority " + serial.Text(36)},
		NotBefore: now.Add(-slack), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &Authority{certificate, private}, err
}

// Cross is a certificate (DER) of the next authority's key, signed by this one:
// whoever knows only this one comes to know the next.
func (a *Authority) Cross(next *x509.Certificate) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: next.SerialNumber, Subject: next.Subject, NotBefore: next.NotBefore, NotAfter: next.NotAfter,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return x509.CreateCertificate(rand.Reader, template, a.Certificate, next.PublicKey, a.key)
}

// Fingerprint of an authority's certificate (DER), by which clients and joining
// nodes know it.
func Fingerprint(der []byte) string { return fingerprint(der) }

// NewSeal makes a key that seals those of authorities.
func NewSeal() []byte {
	seal := make([]byte, SealSize)
	_, _ = rand.Read(seal) // never fails
	return seal
}

// Seal is the authority as the configuration has it: its key can be opened only
// with seal.
func (a *Authority) Seal(seal []byte) (*configpb.Authority, error) {
	box, err := sealer(seal)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	_, _ = rand.Read(nonce)
	der := a.Certificate.Raw
	return &configpb.Authority{Certificate: der, SealedKey: box.Seal(nonce, nonce, a.key.Seed(), der)}, nil
}

func sealer(seal []byte) (cipher.AEAD, error) {
	if len(seal) != SealSize {
		return nil, fmt.Errorf("the seal has %d bytes, want %d", len(seal), SealSize)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// OpenAuthority undoes Seal.
func OpenAuthority(a *configpb.Authority, seal []byte) (*Authority, error) {
	box, err := sealer(seal)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(a.GetCertificate())
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	sealed := a.GetSealedKey()
	if len(sealed) < box.NonceSize() {
		return nil, errors.New("the authority's key is cut off")
	}
	seed, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], a.GetCertificate())
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("the authority's key can't be opened: seal.key is of another cluster")
	}
	return &Authority{certificate, ed25519.NewKeyFromSeed(seed)}, nil
}

// Node is what a certificate says of a node.
type Node struct{ Cluster, ID, Name string }

// uri names the node in its certificate.
func (n Node) uri() *url.URL {
	return &url.URL{Scheme: "spiffe", Host: n.Cluster, Path: "/node/" + n.ID}
}

// Issue signs a certificate (DER) for the node's key.
func (a *Authority) Issue(n Node, key Key, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: n.Name},
		URIs: []*url.URL{n.uri()}, DNSNames: []string{Name(n.Name)},
		NotBefore: now.Add(-slack), NotAfter: now.Add(nodeLife),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(rand.Reader, template, a.Certificate, key.private.Public(), a.key)
}
