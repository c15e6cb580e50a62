// Package credential is what a client of the ports for clients shows, and how it
// knows that it speaks with a node of its cluster: tokens, and TLS that trusts the
// cluster's authority by its fingerprint alone. Clients and the nodes use it.
package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

const (
	prefix = "sct_"
	idSize = 12
	// idChars make ids: 32 of them, so that a byte chooses one evenly.
	idChars = "abcdefghijklmnopqrstuvwxyz234567"
)

// ErrToken says that a text is no token. It does not say which text.
var ErrToken = errors.New("not a token: want sct_, 12 characters, _ and 43 more, as it was given out")

// Token is a client's secret with its public id.
type Token struct {
	ID     string
	secret [32]byte
}

// NewToken makes one at random.
func NewToken() Token {
	var t Token
	_, _ = rand.Read(t.secret[:]) // never fails
	t.ID = NewID()
	return t
}

// NewID makes the id of a token at random.
func NewID() string {
	var b [idSize]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = idChars[b[i]%byte(len(idChars))]
	}
	return string(b[:])
}

// ParseToken reads what String writes.
func ParseToken(s string) (Token, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != idSize+1+43 || rest[idSize] != '_' {
		return Token{}, ErrToken
	}
	t := Token{ID: rest[:idSize]}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest[idSize+1:])
	if err != nil || len(b) != len(t.secret) || strings.Trim(t.ID, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return Token{}, ErrToken
	}
	copy(t.secret[:], b)
	return t, nil
}

// String is the token as its owner has it: a secret.
func (t Token) String() string {
	return prefix + t.ID + "_" + base64.RawURLEncoding.EncodeToString(t.secret[:])
}

// SHA256 is the hash of the secret that the cluster keeps, in lower-case hex.
func (t Token) SHA256() string {
	sum := sha256.Sum256(t.secret[:])
	return hex.EncodeToString(sum[:])
}
