package config

import (
	"fmt"

	"github.com/sipcluster/sipcluster/api/configpb"
)

type trunkDoc struct {
	Address string   `yaml:"address"`
	More    []string `yaml:"more_addresses,omitempty,flow"`
	// Transport is a word.
	Transport string     `yaml:"transport,omitempty"`
	NoOptions bool       `yaml:"no_options,omitempty"`
	Prefix    string     `yaml:"prefix,omitempty"`
	Priority  uint32     `yaml:"priority,omitempty"`
	Sources   []string   `yaml:"sources,omitempty,flow"`
	TLSName   string     `yaml:"tls_name,omitempty"`
	Trusted   bool       `yaml:"trusted,omitempty"`
	Inbound   *authDoc   `yaml:"inbound_auth,omitempty"`
	Outbound  *authDoc   `yaml:"outbound_auth,omitempty"`
	Carrier   carrierDoc `yaml:",inline"`
}

// authDoc is a user and its digest, which stays as it is when neither ha1 nor
// password is there. The realm is that of a gateway.
type authDoc struct {
	User      string `yaml:"user"`
	Realm     string `yaml:"realm,omitempty"`
	Algorithm string `yaml:"algorithm,omitempty"`
	HA1       string `yaml:"ha1,omitempty"`
	SHA256    string `yaml:"sha256_ha1,omitempty"`
	Password  string `yaml:"password,omitempty"`
}

// config makes the trunk that the cluster stores; keep tells that it leaves
// digests out.
func (t *trunkDoc) config(realm string) (trunk *configpb.Trunk, keep bool, err error) {
	trunk = &configpb.Trunk{Address: t.Address, MoreAddresses: t.More, NoOptions: t.NoOptions, Prefix: t.Prefix, Priority: t.Priority, Sources: t.Sources, TlsName: t.TLSName, Trusted: t.Trusted}
	if trunk.Transport, err = configpb.ParseTrunkTransport(t.Transport); err != nil {
		return nil, false, fmt.Errorf("transport %q: %w", t.Transport, err)
	}
	t.Carrier.config(trunk)
	if a := t.Inbound; a != nil {
		if a.Realm != "" && a.Realm != realm {
			return nil, false, fmt.Errorf("inbound_auth: the realm is this cluster's, %s: leave it out", realm)
		}
		if trunk.InboundAuth, err = a.config(realm); err != nil {
			return nil, false, fmt.Errorf("inbound_auth: %w", err)
		}
	}
	if a := t.Outbound; a != nil {
		trunk.OutboundRealm = a.Realm
		if trunk.OutboundAuth, err = a.config(a.Realm); err != nil {
			return nil, false, fmt.Errorf("outbound_auth: %w", err)
		}
		if a.both() {
			BothDigests(trunk.OutboundAuth, a.Realm, a.Password)
		}
	}
	for _, a := range []*configpb.TrunkAuth{trunk.InboundAuth, trunk.OutboundAuth} {
		keep = keep || a != nil && a.Ha1 == ""
	}
	return trunk, keep, nil
}

func (a *authDoc) config(realm string) (*configpb.TrunkAuth, error) {
	if a.HA1+a.SHA256 != "" && a.Password != "" {
		return nil, fmt.Errorf("user %s has both ha1 and password: want one", a.User)
	}
	alg, err := ParseAlgorithm(a.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("algorithm %w", err)
	}
	auth := &configpb.TrunkAuth{User: a.User, Algorithm: alg, Ha1: a.HA1, Sha256Ha1: a.SHA256}
	if a.Password != "" {
		auth.Ha1 = HA1(alg, a.User, realm, a.Password)
	}
	return auth, nil
}

// both tells whether there is a password, and nobody says by which algorithm its digest is.
func (a *authDoc) both() bool { return a != nil && a.Password != "" && a.Algorithm == "" }

// bothDigests tells whether both digests of a password are made for the DN's trunk.
func (n DN) bothDigests() bool { return n.Trunk != nil && n.Trunk.Outbound.both() }

// BothDigests are those of a password by each algorithm, of which the carrier chooses
// (RFC 8760 §2.4).
func BothDigests(a *configpb.TrunkAuth, realm, password string) {
	const md5, sha256 = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256
	a.Algorithm, a.Ha1, a.Sha256Ha1 = md5, HA1(md5, a.User, realm, password), HA1(sha256, a.User, realm, password)
}

// newTrunkDoc is the text of a stored trunk.
func newTrunkDoc(t *configpb.Trunk) *trunkDoc {
	return &trunkDoc{
		Address: t.Address, More: t.MoreAddresses, Transport: t.Transport.Word(), NoOptions: t.NoOptions, Prefix: t.Prefix, Priority: t.Priority, Sources: t.Sources, TLSName: t.TlsName, Trusted: t.Trusted,
		Inbound: newAuthDoc(t.InboundAuth, ""), Outbound: newAuthDoc(t.OutboundAuth, t.OutboundRealm), Carrier: newCarrierDoc(t),
	}
}

func newAuthDoc(a *configpb.TrunkAuth, realm string) *authDoc {
	if a == nil {
		return nil
	}
	doc := &authDoc{User: a.User, Realm: realm, HA1: a.Ha1, SHA256: a.Sha256Ha1}
	if a.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		doc.Algorithm = algorithmName(a.Algorithm)
	}
	return doc
}
