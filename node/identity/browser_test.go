package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// No browser takes an Ed25519 key.
func TestForBrowsers_ACertificateThatABrowserCanAskAbout(t *testing.T) {
	own := ownCertificate(t)
	made, err := ForBrowsers(own, []string{"10.0.1.10", "sip1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if made.Leaf.PublicKeyAlgorithm != x509.ECDSA || made.Leaf.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		t.Errorf("%v, signed by %v", made.Leaf.PublicKeyAlgorithm, made.Leaf.SignatureAlgorithm)
	}
	roots := x509.NewCertPool()
	roots.AddCert(made.Leaf)
	for _, name := range []string{"10.0.1.10", "sip1.example.com", "sip1.node.sipcluster"} {
		if _, err := made.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("for who accepted it, %s: %v", name, err)
		}
	}
	if !made.Leaf.NotAfter.Equal(own.Leaf.NotAfter) || made.Leaf.NotAfter.Sub(made.Leaf.NotBefore) > 398*24*time.Hour {
		t.Errorf("it lasts from %v until %v", made.Leaf.NotBefore, made.Leaf.NotAfter)
	}
}

// What was accepted once is accepted after a restart; with other names it is another one
// of the same key.
func TestForBrowsers_TheSameAfterARestart(t *testing.T) {
	own := ownCertificate(t)
	first, err1 := ForBrowsers(own, []string{"10.0.1.10"})
	again, err2 := ForBrowsers(own, []string{"10.0.1.10"})
	moved, err3 := ForBrowsers(own, []string{"10.0.1.11"})
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	if !bytes.Equal(first.Leaf.Raw, again.Leaf.Raw) {
		t.Error("another certificate of the same node for the same hosts")
	}
	if moved.Leaf.SerialNumber.Cmp(first.Leaf.SerialNumber) == 0 || !moved.PrivateKey.(*ecdsa.PrivateKey).Equal(first.PrivateKey) {
		t.Error("other hosts want another serial number of the same key")
	}
	if other, err := ForBrowsers(ownCertificate(t), nil); err != nil || other.PrivateKey.(*ecdsa.PrivateKey).Equal(first.PrivateKey) {
		t.Errorf("two nodes, one key: %v", err)
	}
}

func ownCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err1 := NewKey()
	authority, err2 := NewAuthority(time.Now())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	der, err := authority.Issue(Node{"c", "i", "sip1"}, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key.private, Leaf: leaf}
}
