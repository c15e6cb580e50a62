package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/google/uuid"
)

const (
	invitePrefix = "sci_"
	inviteIDSize = 12
	secretSize   = 32
)

// Invite lets one node join, once. It is a line of text: whoever has it may join.
type Invite struct {
	Cluster string
	// Authority is the SHA-256 of the certificate of the authority by which the
	// joining node knows the cluster.
	Authority [sha256.Size]byte
	ID        string
	Secret    []byte
}

// NewInvite makes one.
func NewInvite(cluster string, authority []byte) Invite {
	i := Invite{Cluster: cluster, Authority: sha256.Sum256(authority), Secret: make([]byte, secretSize)}
	_, _ = rand.Read(i.Secret)
	i.ID = strings.ToLower(rand.Text()[:inviteIDSize])
	return i
}

// Hash is what the configuration has of the secret.
func (i Invite) Hash() string {
	sum := sha256.Sum256(i.Secret)
	return hex.EncodeToString(sum[:])
}

// String is the line.
func (i Invite) String() string {
	id, _ := uuid.Parse(i.Cluster) // a cluster's id is one
	b := append(id[:], i.Authority[:]...)
	b = append(b, i.ID...)
	return invitePrefix + base64.RawURLEncoding.EncodeToString(append(b, i.Secret...))
}

var errInvite = errors.New("not an invite: want the line that `sipcluster node invite` printed")

// ParseInvite reads the line.
func ParseInvite(line string) (Invite, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), invitePrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) != 16+sha256.Size+inviteIDSize+secretSize {
		return Invite{}, errInvite
	}
	i := Invite{Cluster: uuid.UUID(b[:16]).String()}
	b = b[16:]
	b = b[copy(i.Authority[:], b):]
	i.ID, i.Secret = string(b[:inviteIDSize]), b[inviteIDSize:]
	return i, nil
}
