// Package identity is who a node is and whom it believes: its key and its
// certificate, the authority of the cluster, invites, and the one rule by which a
// node takes another one for what it says (Check). It opens no connection and
// changes no configuration; package node does, and asks here.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/disk"
)

// Key of a node. It never leaves the machine.
type Key struct {
	private ed25519.PrivateKey
	// Fingerprint is the lower-case hex of the SHA-256 of the public key
	// (SubjectPublicKeyInfo), as the roster has it.
	Fingerprint string
}

// NewKey makes a key.
func NewKey() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return keyOf(private)
}

func keyOf(private ed25519.PrivateKey) (Key, error) {
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return Key{}, err
	}
	return Key{private, fingerprint(spki)}, nil
}

// fingerprint of what is given, as the roster has it.
func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// OpenKey reads the key of a file, or makes one when there is none.
func OpenKey(path string) (Key, error) {
	b, err := credential.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err := NewKey()
		if err != nil {
			return Key{}, err
		}
		return k, k.write(path)
	}
	if err != nil {
		return Key{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return Key{}, fmt.Errorf("%w: %s has no key", disk.ErrDamaged, path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return Key{}, fmt.Errorf("%w: %s is not an Ed25519 key: %w", disk.ErrDamaged, path, errors.Join(err))
	}
	return keyOf(private)
}

func (k Key) write(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	return WriteSecret(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// WriteSecret replaces a file that only its owner may read.
func WriteSecret(path string, b []byte) error { return disk.WriteFile(path, b, 0o600) }
