package identity

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// Trust is whom a node believes: pure knowledge, which every check is made by alone.
type Trust struct {
	// Cluster is its id, Index that of the configuration.
	Cluster string
	Index   uint64
	// Authorities that may have signed; the first one signs.
	Authorities []*x509.Certificate
	// Keys are the fingerprints of each node of the roster.
	Keys map[string][]string
	// Denied are nodes that this one distrusts by itself, whatever the roster says.
	Denied map[string]bool
}

// Refusal is why another node is not taken for what it says.
type Refusal string

// The refusals.
const (
	NoCertificate Refusal = "it showed no certificate"
	NotSigned     Refusal = "its certificate is of no authority of this cluster"
	NoNode        Refusal = "its certificate names no node"
	OtherCluster  Refusal = "its certificate is of another cluster"
	NotOnRoster   Refusal = "the node is not on the roster"
	OtherKey      Refusal = "the key is not the one that the roster has of the node"
	Distrusted    Refusal = "the node is distrusted here"
	OtherNode     Refusal = "another node answers than the one that was meant"
)

func (r Refusal) Error() string { return string(r) }

// Check is the rule for every connection between nodes, in both directions: the
// certificate is signed by an authority of the cluster, and its key is one that the
// roster has of the node that it names, and that node is the one wanted ("" for
// any, of one who comes). It returns the node's id, also with a refusal where one
// is named. That the other end holds the key is TLS's to prove. Expiry is nobody's
// end: see Expired.
func Check(chain []*x509.Certificate, t *Trust, want string) (id string, err error) {
	if len(chain) == 0 {
		return "", NoCertificate
	}
	leaf := chain[0]
	cluster, id := names(leaf)
	switch {
	case id == "" || leaf.IsCA:
		return id, NoNode
	case !slices.ContainsFunc(t.Authorities, func(a *x509.Certificate) bool { return leaf.CheckSignatureFrom(a) == nil }):
		return id, NotSigned
	case cluster != t.Cluster:
		return id, OtherCluster
	}
	if err := t.Holds(id, fingerprint(leaf.RawSubjectPublicKeyInfo)); err != nil {
		return id, err
	}
	if want != "" && id != want {
		return id, OtherNode
	}
	return id, nil
}

// Holds tells why a node with that key is not believed: nil when it is. It is what
// may change while a connection stands.
func (t *Trust) Holds(id, key string) error {
	switch keys, known := t.Keys[id]; {
	case t.Denied[id]:
		return Distrusted
	case !known:
		return NotOnRoster
	case !slices.Contains(keys, key):
		return OtherKey
	}
	return nil
}

// names returns what a certificate says of a node; "" when it says nothing, or too
// much.
func names(c *x509.Certificate) (cluster, id string) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != "spiffe" {
		return "", ""
	}
	id, ok := strings.CutPrefix(c.URIs[0].Path, "/node/")
	if !ok || strings.Contains(id, "/") {
		return "", ""
	}
	return c.URIs[0].Host, id
}

// Expired tells that a certificate's time is over, or has not begun. Between nodes
// of the roster that is worth a warning and no more: a wrong clock cuts nobody off.
func Expired(c *x509.Certificate, now time.Time) bool {
	return now.Before(c.NotBefore) || now.After(c.NotAfter)
}
