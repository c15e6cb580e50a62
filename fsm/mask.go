package fsm

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// whole is a mutation without a mask that does the same: its object is the one that
// exists, with the fields changed that the mask names.
func (v *View) whole(m *configpb.Mutation) (*configpb.Mutation, *Rejection) {
	if m.GetMask() == nil {
		return m, nil
	}
	w := &configpb.Mutation{IfRevision: m.IfRevision, KeepHa1: m.GetKeepHa1()}
	switch op := m.GetOp().(type) {
	case *configpb.Mutation_PutDn:
		d, r := masked(m, v.DN(op.PutDn.GetNumber()), op.PutDn)
		forgetDigest(m, d, v.DN(d.GetNumber()))
		w.Op = &configpb.Mutation_PutDn{PutDn: d}
		return w, r
	case *configpb.Mutation_PutGroup:
		g, r := masked(m, v.Group(op.PutGroup.GetName()), op.PutGroup)
		w.Op = &configpb.Mutation_PutGroup{PutGroup: g}
		return w, r
	case *configpb.Mutation_PutNode:
		n, r := masked(m, v.Node(op.PutNode.GetId()), op.PutNode)
		w.Op = &configpb.Mutation_PutNode{PutNode: n}
		return w, r
	case *configpb.Mutation_PutOptions:
		o, r := masked(m, v.stored, op.PutOptions)
		w.Op = &configpb.Mutation_PutOptions{PutOptions: o}
		return w, r
	}
	return nil, reject(ErrInvalid, "a mask goes with put_dn, put_group, put_node and put_options only")
}

// masked is a copy of the object that exists, changed by the one that was given.
func masked[T interface {
	comparable
	proto.Message
}](m *configpb.Mutation, old, given T) (T, *Rejection) {
	var none T
	switch {
	case len(m.GetMask().GetPaths()) == 0:
		return none, reject(ErrInvalid, "%s: the mask names no field", Describe(m))
	case len(m.GetMask().GetPaths()) > MaxMask:
		return none, reject(ErrInvalid, "%s: the mask names %d fields, at most %d are possible", Describe(m), len(m.GetMask().GetPaths()), MaxMask)
	case old == none:
		return none, reject(ErrNotFound, "%s: it does not exist, and a mask changes only what does", Describe(m))
	}
	changed := proto.CloneOf(old)
	if err := configpb.Merge(changed, given, m.GetMask()); err != nil {
		return none, reject(ErrInvalid, "%s: %v", Describe(m), err)
	}
	return changed, nil
}

// forgetDigest takes away the digest for another realm that the mask left behind.
func forgetDigest(m *configpb.Mutation, d, old *configpb.DN) {
	t := d.GetTrunk()
	if t.GetOutboundAuth() == nil || t.GetOutboundRealm() == old.GetTrunk().GetOutboundRealm() {
		return
	}
	if named := m.GetMask().GetPaths(); !slices.Contains(named, "trunk") && !slices.Contains(named, "trunk.outbound_auth") {
		t.OutboundAuth.Ha1, t.OutboundAuth.Sha256Ha1 = "", ""
	}
}
