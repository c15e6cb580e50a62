package credential

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// ErrAuthority says that who answers is no node of the cluster that is meant.
var ErrAuthority = errors.New("its certificate is not one of the cluster")

// ALPN is what a client port speaks.
const ALPN = "h2"

// Fingerprint of a certificate (DER): the lower-case hex of its SHA-256.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// TLS trusts nodes whose certificates lead to an authority with one of these
// fingerprints, which they show along. No clock is asked: nodes care for the end
// of their certificates themselves. Certificates, if any, are the client's own.
func TLS(authorities []string, certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{ALPN}, Certificates: certificates,
		InsecureSkipVerify: true, // names don't count: VerifyConnection decides
		VerifyConnection: func(s tls.ConnectionState) error {
			return Verify(s.PeerCertificates, authorities)
		},
	}
}

// Verify returns nil when a chain of certificates, as a node showed it, begins with
// that of a node and leads to one of the authorities.
func Verify(chain []*x509.Certificate, authorities []string) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: it has none", ErrAuthority)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	pinned := false
	for _, c := range chain[1:] {
		between.AddCert(c)
		for _, a := range authorities {
			if strings.EqualFold(a, Fingerprint(c.Raw)) {
				roots.AddCert(c)
				pinned = true
			}
		}
	}
	if !pinned {
		return fmt.Errorf("%w: its authority is another one", ErrAuthority)
	}
	leaf := chain[0]
	if !ofNode(leaf) {
		return fmt.Errorf("%w: it is not a node's", ErrAuthority)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	return nil
}

// ofNode tells whether a certificate says that it is a node's: a URI
// spiffe://CLUSTER/node/ID.
func ofNode(c *x509.Certificate) bool {
	for _, u := range c.URIs {
		if u.Scheme == "spiffe" && strings.HasPrefix(u.Path, "/node/") {
			return true
		}
	}
	return false
}

// DialOptions connect with TLS and, unless it is "", the token. It never leaves by
// a connection in the clear.
func DialOptions(config *tls.Config, token string) []grpc.DialOption {
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	return options
}

// Header of the requests' metadata that has the token, behind Bearer.
const Header, Bearer = "authorization", "Bearer "

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{Header: Bearer + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }
