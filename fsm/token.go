package fsm

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/number"
)

// Limits of tokens.
const (
	// MaxTokens of a cluster.
	MaxTokens = 4096
	// MaxTokenID is the length of a token's id, in bytes.
	MaxTokenID = 12
	// MaxScope is how many names or prefixes each list of a scope has.
	MaxScope = 64
)

// Token returns the token of that id, nil when there is none.
func (v *View) Token(id string) *configpb.Token {
	e, _ := v.tokens.Get(entry[configpb.Token]{key: id})
	return e.val
}

// TokenOf returns the token of the client certificate with that fingerprint, as
// Token.certificate_sha256 has it; nil when it is not registered.
func (v *View) TokenOf(certificate string) *configpb.Token {
	for t := range behind(v.tokens, "") {
		if t.GetCertificateSha256() == certificate && certificate != "" {
			return t
		}
	}
	return nil
}

// Tokens returns all of them, ordered by name.
func (v *View) Tokens() []*configpb.Token {
	all := make([]*configpb.Token, 0, v.tokens.Len())
	for t := range behind(v.tokens, "") {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *configpb.Token) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return all
}

// Valid tells whether a token counts at a moment, ms since the epoch.
func Valid(t *configpb.Token, ms uint64) bool {
	return t != nil && t.GetNotBeforeMs() <= ms && (t.GetExpiresMs() == 0 || ms < t.GetExpiresMs())
}

// ValidAt is Valid by a clock.
func ValidAt(t *configpb.Token, now time.Time) bool { return Valid(t, uint64(max(0, now.UnixMilli()))) }

func (d *draft) putToken(m *configpb.Mutation, in *configpb.Token) *Rejection {
	if r := checkToken(in); r != nil {
		return r
	}
	old := d.view.Token(in.GetId())
	if r := checkRevision(m, "token "+in.GetId(), old.GetRevision()); r != nil {
		return r
	}
	if other := d.view.TokenOf(in.GetCertificateSha256()); other != nil && other.GetId() != in.GetId() {
		return reject(ErrConflict, "token %s: the certificate is that of token %s already", in.GetId(), other.GetId())
	}
	if old == nil && d.view.tokens.Len() >= MaxTokens {
		return reject(ErrConflict, "there are %d tokens, the most that a cluster has: revoke some", MaxTokens)
	}
	v := proto.CloneOf(in)
	v.Revision = d.view.index
	d.view.tokens.ReplaceOrInsert(entry[configpb.Token]{v.GetId(), v})
	d.changes.Tokens = true
	d.put(bucketToken, v.GetId(), encode(v))
	return nil
}

func (d *draft) deleteToken(m *configpb.Mutation, id string) *Rejection {
	old := d.view.Token(id)
	if r := checkRevision(m, "token "+id, old.GetRevision()); r != nil {
		return r
	}
	if old == nil {
		return reject(ErrNotFound, "token %.70q does not exist", id)
	}
	d.view.tokens.Delete(entry[configpb.Token]{key: id})
	if old.GetRole() == configpb.Role_ROLE_ADMIN && !d.view.lastingAdmin() && lasting(old) {
		return reject(ErrConflict, "token %s is the last one of role admin that does not expire: create another one first", id)
	}
	d.changes.Tokens = true
	d.put(bucketToken, id, nil)
	return nil
}

// lasting tells whether the token goes on for ever.
func lasting(t *configpb.Token) bool {
	return t.GetRole() == configpb.Role_ROLE_ADMIN && t.GetExpiresMs() == 0
}

// lastingAdmin tells whether somebody can administer the cluster for ever.
func (v *View) lastingAdmin() bool {
	for t := range behind(v.tokens, "") {
		if lasting(t) {
			return true
		}
	}
	return false
}

// checkToken checks what does not depend on other objects.
func checkToken(t *configpb.Token) *Rejection {
	switch {
	case len(t.GetId()) != MaxTokenID || strings.Trim(t.GetId(), tokenChars) != "":
		return reject(ErrInvalid, "token id %.20q: want %d characters of a-z 0-9", t.GetId(), MaxTokenID)
	case (t.GetSecretSha256() == "") == (t.GetCertificateSha256() == ""):
		return reject(ErrInvalid, "token %s: want the hash of a secret or of a certificate, one of both", t.GetId())
	case !validSum(t.GetSecretSha256() + t.GetCertificateSha256()):
		return reject(ErrInvalid, "token %s: a SHA-256 is 64 lower-case hex digits", t.GetId())
	case !validName(t.GetName()):
		return reject(ErrInvalid, "token %s: %s", t.GetId(), badName("name", t.GetName()))
	case t.GetRole() <= configpb.Role_ROLE_UNSPECIFIED || configpb.Role_name[int32(t.GetRole())] == "":
		return reject(ErrInvalid, "token %s: unknown role %d", t.GetId(), t.GetRole())
	case t.GetExpiresMs() != 0 && t.GetExpiresMs() <= t.GetNotBeforeMs():
		return reject(ErrInvalid, "token %s: it expires before it begins", t.GetId())
	}
	return checkScope(t.GetId(), t.GetScope())
}

const tokenChars = "abcdefghijklmnopqrstuvwxyz0123456789"

// validSum holds for a SHA-256 in lower-case hex.
func validSum(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func checkScope(id string, s *configpb.Scope) *Rejection {
	for _, list := range []struct {
		field string
		of    []string
		valid func(string) bool
	}{
		{"routing_points", s.GetRoutingPoints(), number.Valid[string]},
		{"groups", s.GetGroups(), validName},
		{"dn_prefixes", s.GetDnPrefixes(), number.Valid[string]},
		{"external_prefixes", s.GetExternalPrefixes(), validExternalPrefix},
	} {
		if len(list.of) > MaxScope {
			return reject(ErrInvalid, "token %s: %d %s, at most %d are possible", id, len(list.of), list.field, MaxScope)
		}
		for _, name := range list.of {
			if !list.valid(name) {
				return reject(ErrInvalid, "token %s: %s: %.70q is none", id, list.field, name)
			}
		}
	}
	return nil
}

// validExternalPrefix holds for the first digits of a number outside, with or
// without a plus.
func validExternalPrefix(s string) bool {
	return s != "" && len(s) <= 1+MaxExternal && strings.Trim(strings.TrimPrefix(s, "+"), "0123456789*#") == ""
}
