package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc/peer"
)

// The protocols of the cluster port (ALPN): a connection serves the one that it
// was opened for and no other.
const (
	GRPC = "sipcluster-grpc"
	Raft = "sipcluster-raft"
	SIP  = "sipcluster-sip"
	Join = "sipcluster-join"
)

var errProtocol = errors.New("the other end speaks none of the protocols of a cluster port: is it one, of this cluster?")

// Server is for the connections that others open. On one of protocol Join anybody
// may come who holds a key; every other one is a node's.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{GRPC, Raft, SIP, Join}, SessionTicketsDisabled: true,
		ClientAuth: tls.RequireAnyClientCert,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := i.Certificate(); c != nil {
				return c, nil
			}
			if slices.Equal(hello.SupportedProtos, []string{Join}) { // the key is enough for who asks who is there
				return i.selfSigned()
			}
			return nil, errors.New("this node has no certificate yet")
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			switch s.NegotiatedProtocol {
			case Join:
				return nil
			case "":
				return errProtocol
			}
			return i.judge(s.PeerCertificates, "")
		},
	}
}

// Client is for a connection to the node of that id.
func (i *Identity) Client(protocol, want string) *tls.Config {
	return i.client(protocol, func(s tls.ConnectionState) error {
		if want == "" {
			return OtherNode // nobody is meant
		}
		return i.judge(s.PeerCertificates, want)
	})
}

// Learning is for a connection of protocol Join to the node of that id. Its key is
// enough: its authority may have changed more often than this node knows.
func (i *Identity) Learning(want string) *tls.Config {
	return i.client(Join, func(s tls.ConnectionState) error {
		return i.Trust().Holds(want, KeyOf(s))
	})
}

// Asking is for a connection of protocol Join to whoever is at an address: nothing is
// told, and what its key is worth is for the caller to judge.
func (i *Identity) Asking() *tls.Config {
	return i.client(Join, func(tls.ConnectionState) error { return nil })
}

func (i *Identity) selfSigned() (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key.selfSigned(time.Now())
}

func (i *Identity) client(protocol string, verify func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocol},
		InsecureSkipVerify: true, // VerifyConnection does it, by the roster and not by names
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := i.Certificate(); c != nil {
				return c, nil
			}
			return i.selfSigned()
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != protocol {
				return errProtocol
			}
			return verify(s)
		},
	}
}

// Entering is for the connection by which a node joins: it knows of the cluster
// what the invite says.
func (i *Identity) Entering(invite Invite) *tls.Config {
	return i.client(Join, func(s tls.ConnectionState) error {
		for _, c := range s.PeerCertificates[1:] {
			if sha256.Sum256(c.Raw) == invite.Authority && s.PeerCertificates[0].CheckSignatureFrom(c) == nil {
				if cluster, id := names(s.PeerCertificates[0]); cluster == invite.Cluster && id != "" {
					return nil
				}
			}
		}
		return errors.New("it is not a node of the cluster that the invite is from")
	})
}

// judge is Check with what happens around it.
func (i *Identity) judge(chain []*x509.Certificate, want string) error {
	id, err := Check(chain, i.Trust(), want)
	if err != nil {
		if i.cfg.Refused != nil {
			i.cfg.Refused(id, err)
		}
		return err
	}
	i.warn(id, chain[0], time.Now())
	return nil
}

// warnEach is how often the same is said of a node.
const warnEach = time.Hour

func (i *Identity) warn(id string, c *x509.Certificate, now time.Time) {
	if !Expired(c, now) {
		return
	}
	i.mu.Lock()
	last, said := i.warned[id]
	said = said && now.Sub(last) < warnEach
	if !said {
		i.warned[id] = now // only nodes of the roster
	}
	i.mu.Unlock()
	if !said {
		i.cfg.Log.Warn("the certificate of a node is out of its time; it is believed all the same: check the clocks", "peer", id, "from", c.NotBefore, "until", c.NotAfter)
	}
}

// KeyOf is the fingerprint of the key at the other end.
func KeyOf(s tls.ConnectionState) string {
	if len(s.PeerCertificates) == 0 {
		return ""
	}
	return fingerprint(s.PeerCertificates[0].RawSubjectPublicKeyInfo)
}

// IDOf is the node that the certificate at the other end names. It counts only
// after a check.
func IDOf(s tls.ConnectionState) string {
	if len(s.PeerCertificates) == 0 {
		return ""
	}
	_, id := names(s.PeerCertificates[0])
	return id
}

// Conn is a connection whose other end is known.
type Conn struct {
	net.Conn
	// Peer is the node's id, "" on a connection of protocol Join; Key is the
	// fingerprint of its key.
	Peer, Key string
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// PeerID is the node at the other end.
func (c *Conn) PeerID() string { return c.Peer }

// Of finds the Conn among those that a connection wraps; nil when nobody is known.
func Of(conn any) *Conn {
	for conn != nil {
		if c, ok := conn.(*Conn); ok {
			return c
		}
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = below.NetConn()
	}
	return nil
}

// PeerOf is the node that called a handler of the cluster port; "" where nobody is
// asked who he is, and for who is only about to join. keyOf is its key.
func PeerOf(ctx context.Context) (id, key string) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", ""
	}
	if c := Of(p.AuthInfo); c != nil {
		return c.Peer, c.Key
	}
	return "", ""
}

// Issuer is the fingerprint of the authority that signed the certificate, "" for none.
func Issuer(c *x509.Certificate, authorities []*x509.Certificate) string {
	at := slices.IndexFunc(authorities, func(a *x509.Certificate) bool { return c.CheckSignatureFrom(a) == nil })
	if at < 0 {
		return ""
	}
	return Fingerprint(authorities[at].Raw)
}
