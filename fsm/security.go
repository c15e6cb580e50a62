package fsm

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Limits of what nodes are known by.
const (
	// InviteID is the length of an invite's id, of a-z 0-9.
	InviteID = 12
	// MaxInvites that wait at a time.
	MaxInvites = 100
	// MaxNodeKeys of a node, MaxAuthorities and MaxRing keys of a ring: the present
	// one, and those that come or go.
	MaxNodeKeys, MaxAuthorities, MaxRing = 2, 2, 8
	// MaxCertificate, MaxSealedKey and MaxSecret, in bytes.
	MaxCertificate, MaxSealedKey, MaxSecret = 2048, 512, 64
	// RingKey is the length of a key of a ring in bytes.
	RingKey = 32
)

// Security is what the nodes share; nil in a cluster that asks nobody who he is.
func (v *View) Security() *configpb.Security { return v.security }

// Invite returns the invite of that id, nil when there is none.
func (v *View) Invite(id string) *configpb.Invite {
	for _, i := range v.invites {
		if i.GetId() == id {
			return i
		}
	}
	return nil
}

// Invites returns those that were not used, ordered by id, expired ones among them.
func (v *View) Invites() []*configpb.Invite { return slices.Clone(v.invites) }

func (d *draft) putInvite(m *configpb.Mutation, in *configpb.Invite) *Rejection {
	switch {
	case d.view.security == nil:
		return reject(ErrConflict, "this cluster was made with --insecure: a node joins it without an invite")
	case len(in.GetId()) != InviteID || strings.Trim(in.GetId(), "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		return reject(ErrInvalid, "invite id %.40q: want 12 characters of a-z 0-9", in.GetId())
	case !validSum(in.GetSecretSha256()):
		return reject(ErrInvalid, "invite %s: secret_sha256 is not 64 lower-case hex digits", in.GetId())
	case in.GetNodeName() != "" && !configpb.ValidNodeName(in.GetNodeName()):
		return reject(ErrInvalid, "invite %s: node name %.40q: %s", in.GetId(), in.GetNodeName(), configpb.NodeNameRule)
	case in.GetExpiresMs() == 0:
		return reject(ErrInvalid, "invite %s: it has to expire", in.GetId())
	}
	if r := checkRevision(m, "invite "+in.GetId(), d.view.Invite(in.GetId()).GetRevision()); r != nil {
		return r
	}
	for _, old := range d.view.Invites() {
		if d.now >= old.GetExpiresMs() {
			d.dropInvite(old.GetId())
		}
	}
	d.dropInvite(in.GetId())
	if len(d.view.invites) >= MaxInvites {
		return reject(ErrConflict, "%d invites wait already: revoke one", MaxInvites)
	}
	v := proto.CloneOf(in)
	v.Revision = d.view.index
	d.setInvites(append(d.view.Invites(), v))
	d.put(bucketInvite, v.GetId(), encode(v))
	return nil
}

func (d *draft) deleteInvite(m *configpb.Mutation, id string) *Rejection {
	old := d.view.Invite(id)
	if r := checkRevision(m, "invite "+id, old.GetRevision()); r != nil {
		return r
	}
	if old == nil {
		return reject(ErrNotFound, "invite %.40q does not exist: it was used or revoked", id)
	}
	d.dropInvite(id)
	return nil
}

func (d *draft) dropInvite(id string) {
	if d.view.Invite(id) == nil {
		return
	}
	d.setInvites(slices.DeleteFunc(d.view.Invites(), func(i *configpb.Invite) bool { return i.GetId() == id }))
	d.put(bucketInvite, id, nil)
}

func (d *draft) setInvites(invites []*configpb.Invite) {
	slices.SortFunc(invites, func(a, b *configpb.Invite) int { return strings.Compare(a.GetId(), b.GetId()) })
	d.view.invites, d.changes.Security = invites, true
}

// join takes the node in and burns its invite: whoever comes second with the
// same one finds none, whatever his node knows.
func (d *draft) join(m *configpb.Mutation, in *configpb.Join) *Rejection {
	if r := d.view.mayJoin(in, d.now); r != nil {
		return r
	}
	if r := d.setNode(m, in.GetNode()); r != nil {
		return r
	}
	d.dropInvite(in.GetInvite())
	return nil
}

// MayJoin tells beforehand why a node could not join at a moment, ms since the
// epoch: nil when its invite counts here. Whoever asks strangers does so before it
// writes anything down.
func (v *View) MayJoin(in *configpb.Join, now uint64) error {
	if r := v.mayJoin(in, now); r != nil {
		return r
	}
	return nil
}

func (v *View) mayJoin(in *configpb.Join, now uint64) *Rejection {
	invite, hash := v.Invite(in.GetInvite()), sha256.Sum256(in.GetSecret())
	switch {
	case invite == nil || subtle.ConstantTimeCompare([]byte(hex.EncodeToString(hash[:])), []byte(invite.GetSecretSha256())) == 0:
		return reject(ErrInvite, "the invite is not known: it was used or revoked, or is another cluster's")
	case now >= invite.GetExpiresMs():
		return reject(ErrInvite, "the invite has expired: make a new one")
	case invite.GetNodeName() != "" && invite.GetNodeName() != in.GetNode().GetName():
		return reject(ErrInvite, "the invite is for node %s, not for %.40s", invite.GetNodeName(), in.GetNode().GetName())
	case len(in.GetNode().GetKeySha256()) != 1:
		return reject(ErrInvalid, "a node joins with one key")
	case v.Node(in.GetNode().GetId()) != nil:
		return reject(ErrConflict, "node %.70s is on the roster already", in.GetNode().GetId())
	}
	return nil
}

// checkKeys is for a node's keys beside what the roster has.
func (d *draft) checkKeys(n *configpb.Node) *Rejection {
	keys := n.GetKeySha256()
	if len(keys) > MaxNodeKeys {
		return reject(ErrInvalid, "node %s: %d keys, at most %d are possible", n.GetName(), len(keys), MaxNodeKeys)
	}
	for i, k := range keys {
		if !validSum(k) {
			return reject(ErrInvalid, "node %s: key_sha256 %.70q is not 64 lower-case hex digits", n.GetName(), k)
		}
		if slices.Contains(keys[:i], k) {
			return reject(ErrInvalid, "node %s: the same key twice", n.GetName())
		}
		for _, other := range d.view.nodes {
			if other.GetId() != n.GetId() && slices.Contains(other.GetKeySha256(), k) {
				return reject(ErrConflict, "node %s has that key: each node has one of its own", other.GetName())
			}
		}
	}
	if len(keys) == 0 && d.view.security != nil {
		return reject(ErrInvalid, "node %s has no key: every node of this cluster has one", n.GetName())
	}
	return nil
}

func (d *draft) putSecurity(m *configpb.Mutation, in *configpb.Security) *Rejection {
	if r := checkRevision(m, "the security object", d.view.security.GetRevision()); r != nil {
		return r
	}
	if len(in.GetAuthorities()) == 0 || len(in.GetAuthorities()) > MaxAuthorities {
		return reject(ErrInvalid, "%d authorities: want 1 to %d", len(in.GetAuthorities()), MaxAuthorities)
	}
	for _, a := range in.GetAuthorities() {
		if len(a.GetCross()) > MaxCertificate || len(a.GetPrevious()) > MaxCertificate {
			return reject(ErrInvalid, "an authority's certificate has at most %d bytes", MaxCertificate)
		}
		if c, k := len(a.GetCertificate()), len(a.GetSealedKey()); c == 0 || c > MaxCertificate || k == 0 || k > MaxSealedKey {
			return reject(ErrInvalid, "an authority has a certificate of 1 to %d bytes and a sealed key of 1 to %d, not %d and %d", MaxCertificate, MaxSealedKey, c, k)
		}
	}
	if !validRing(in.GetGossip()) || !validRing(in.GetRoutes()) {
		return reject(ErrInvalid, "a keyring has 1 to %d keys of %d bytes, their ids ascend, and one of them is the primary", MaxRing, RingKey)
	}
	for _, n := range d.view.nodes {
		if len(n.GetKeySha256()) == 0 {
			return reject(ErrConflict, "node %s has no key yet: a cluster made with --insecure stays so", n.GetName())
		}
	}
	v := proto.CloneOf(in)
	v.Revision = d.view.index
	d.view.security, d.changes.Security = v, true
	d.put(bucketMeta, keySecurity, encode(v))
	return nil
}

func validRing(r *configpb.Keyring) bool {
	last, primary := uint32(0), false
	for _, k := range r.GetKeys() {
		if k.GetId() <= last || len(k.GetSecret()) != RingKey {
			return false
		}
		last, primary = k.GetId(), primary || k.GetId() == r.GetPrimary()
	}
	return primary && len(r.GetKeys()) <= MaxRing
}
