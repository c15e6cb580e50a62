package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"testing"
	"time"
)

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func key(t *testing.T) Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func parsed(t *testing.T, der []byte, err error) []*x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{c}
}

func issued(t *testing.T, a *Authority, n Node, k Key, at time.Time) []*x509.Certificate {
	t.Helper()
	der, err := a.Issue(n, k, at)
	return parsed(t, der, err)
}

// named is a certificate of the authority with these names, whatever they are.
func named(t *testing.T, a *Authority, k Key, isCA bool, uris ...string) []*x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: isCA, BasicConstraintsValid: true,
	}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, k.private.Public().(ed25519.PublicKey), a.key)
	return parsed(t, der, err)
}

// Every way to be refused, each but for one thing like those that are let in.
func TestCheck(t *testing.T) {
	old, now, stranger := authority(t), authority(t), authority(t)
	a, b, next, loose := key(t), key(t), key(t), key(t)
	trust := &Trust{
		Cluster: "c1", Authorities: []*x509.Certificate{now.Certificate, old.Certificate},
		Keys:   map[string][]string{"a": {a.Fingerprint}, "b": {b.Fingerprint, next.Fingerprint}, "keyless": nil, "d": {key(t).Fingerprint}},
		Denied: map[string]bool{},
	}
	distrusting := &Trust{Cluster: trust.Cluster, Authorities: trust.Authorities, Keys: trust.Keys, Denied: map[string]bool{"a": true}}
	nodeA, today := Node{"c1", "a", "sip1"}, time.Now()
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		trust *Trust
		want  string
		id    string
		err   error
	}{
		"who is meant":              {issued(t, now, nodeA, a, today), trust, "a", "a", nil},
		"whoever comes":             {issued(t, now, nodeA, a, today), trust, "", "a", nil},
		"by the other authority":    {issued(t, old, nodeA, a, today), trust, "a", "a", nil},
		"by its next key":           {issued(t, now, Node{"c1", "b", "sip2"}, next, today), trust, "b", "b", nil},
		"expired long ago":          {issued(t, now, nodeA, a, today.Add(-10*nodeLife)), trust, "a", "a", nil},
		"not valid yet":             {issued(t, now, nodeA, a, today.Add(10*nodeLife)), trust, "a", "a", nil},
		"no certificate":            {nil, trust, "a", "", NoCertificate},
		"of another authority":      {issued(t, stranger, nodeA, a, today), trust, "a", "a", NotSigned},
		"of none":                   {parsedSelf(t, a), trust, "a", "", NoNode},
		"of another cluster":        {issued(t, now, Node{"c2", "a", "sip1"}, a, today), trust, "a", "a", OtherCluster},
		"with another node's key":   {issued(t, now, nodeA, b, today), trust, "a", "a", OtherKey},
		"with nobody's key":         {issued(t, now, nodeA, loose, today), trust, "a", "a", OtherKey},
		"of a node without a key":   {issued(t, now, Node{"c1", "keyless", "x"}, loose, today), trust, "keyless", "keyless", OtherKey},
		"of a node that is removed": {issued(t, now, Node{"c1", "gone", "x"}, loose, today), trust, "gone", "gone", NotOnRoster},
		"another node than meant":   {issued(t, now, nodeA, a, today), trust, "b", "a", OtherNode},
		"distrusted here":           {issued(t, now, nodeA, a, today), distrusting, "a", "a", Distrusted},
		"the authority itself":      {[]*x509.Certificate{now.Certificate}, trust, "", "", NoNode},
		"an authority's helper":     {named(t, now, a, true, "spiffe://c1/node/a"), trust, "", "a", NoNode},
		"two names":                 {named(t, now, a, false, "spiffe://c1/node/a", "spiffe://c1/node/b"), trust, "", "", NoNode},
		"no name":                   {named(t, now, a, false), trust, "", "", NoNode},
		"a client's name":           {named(t, now, a, false, "spiffe://c1/client/a"), trust, "", "", NoNode},
		"a web site's name":         {named(t, now, a, false, "https://c1/node/a"), trust, "", "", NoNode},
		"a name below a name":       {named(t, now, a, false, "spiffe://c1/node/a/b"), trust, "", "", NoNode},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := Check(c.chain, c.trust, c.want)
			if id != c.id || !errors.Is(err, c.err) {
				t.Errorf("%q, %v; want %q, %v", id, err, c.id, c.err)
			}
		})
	}
}

func parsedSelf(t *testing.T, k Key) []*x509.Certificate {
	t.Helper()
	c, err := k.selfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, c.Certificate[0], nil)
}

func TestExpired(t *testing.T) {
	c := issued(t, authority(t), Node{"c1", "a", "sip1"}, key(t), time.Now())[0]
	for at, want := range map[time.Duration]bool{0: false, nodeLife + time.Minute: true, -slack - time.Minute: true, nodeLife - time.Minute: false} {
		if Expired(c, time.Now().Add(at)) != want {
			t.Errorf("in %v: want %v", at, want)
		}
	}
}

// An authority's key is opened by the seal that closed it and by no other, and only
// beside its own certificate.
func TestAuthority_Sealed(t *testing.T) {
	a, seal := authority(t), NewSeal()
	sealed, err := a.Seal(seal)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(sealed, seal)
	if err != nil || !again.key.Equal(a.key) || !again.Certificate.Equal(a.Certificate) {
		t.Fatalf("opened: %v", err)
	}
	if _, err := OpenAuthority(sealed, NewSeal()); err == nil {
		t.Error("another seal opens it")
	}
	other, err := authority(t).Seal(seal)
	if err != nil {
		t.Fatal(err)
	}
	other.SealedKey = sealed.GetSealedKey()
	if _, err := OpenAuthority(other, seal); err == nil {
		t.Error("it is opened beside another certificate")
	}
	other.SealedKey = []byte("short")
	if _, err := OpenAuthority(other, seal); err == nil {
		t.Error("what is cut off is opened")
	}
	if _, err := a.Seal(seal[1:]); err == nil {
		t.Error("a short seal closes it")
	}
}

func TestInvite_IsALine(t *testing.T) {
	i := NewInvite("0b0e9a52-7d0a-4f0e-8d7c-1c6b6f1a2b3c", []byte("certificate"))
	again, err := ParseInvite(" " + i.String() + "\n")
	if err != nil || again.String() != i.String() || again.Hash() != i.Hash() || again.Cluster != i.Cluster || again.ID != i.ID || len(i.ID) != inviteIDSize {
		t.Fatalf("%+v, %v; want %+v", again, err, i)
	}
	line := i.String()
	for _, bad := range []string{"", "sci_", line[1:], line[:len(line)-1], line + "A", "sct_" + line[4:], line[:20] + "!" + line[21:]} {
		if _, err := ParseInvite(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	if other := NewInvite(i.Cluster, []byte("certificate")); other.ID == i.ID || other.Hash() == i.Hash() {
		t.Error("two invites are the same")
	}
}
