package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Realm is the one of the cluster.
func (p *Plan) Realm() string { return p.options.Realm }

// Put plans that a DN becomes d, and returns what has to be written for it, the groups
// that it needs among that: nothing when it is so already. changes says in words what
// becomes of it.
func (p *Plan) Put(d *configpb.DN) (writes []*configpb.Mutation, changes []string) {
	old, before := p.dns[d.Number], len(p.Mutations)
	p.putDN(d, false)
	writes = p.Mutations[before:]
	for _, m := range writes {
		switch {
		case m.GetPutGroup() != nil:
			changes = append(changes, "create group "+m.GetPutGroup().GetName())
		case old == nil:
			changes = append(changes, "create DN "+d.Number)
		default:
			changes = append(changes, "change DN "+d.Number+": "+strings.Join(different(old, d), ", "))
		}
	}
	return writes, changes
}

// Prune plans to delete the DNs of some kinds that aren't kept, and returns what has to be
// written for that.
func (p *Plan) Prune(kinds map[configpb.DNKind]bool, kept func(number string) bool) (writes []*configpb.Mutation, changes []string, err error) {
	if len(kinds) == 0 {
		return nil, nil, errors.New("--prune: the file has no DNs: it would delete all")
	}
	before := len(p.Mutations)
	for _, number := range slices.Sorted(maps.Keys(p.dns)) {
		if kinds[p.dns[number].GetKind()] && !kept(number) {
			p.delete(tallyDNs, "DN "+number, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}})
			changes = append(changes, "delete DN "+number)
		}
	}
	return p.Mutations[before:], changes, nil
}

// Report says what was done, or would be, of a plan that was made for that alone.
func (p *Plan) Report(dryRun bool) string { return p.report(dryRun) }

// different are the names of the fields in which two DNs differ; a digest is never shown.
func different(a, b *configpb.DN) (names []string) {
	x, y := proto.CloneOf(a).ProtoReflect(), proto.CloneOf(b).ProtoReflect()
	for fields, i := x.Descriptor().Fields(), 0; i < fields.Len(); i++ {
		f := fields.Get(i)
		if f.Name() == "revision" || f.Name() == "number" || equalFields(f, x, y) {
			continue
		}
		name := string(f.Name())
		if name == "ha1" {
			name = "password"
		}
		names = append(names, name)
	}
	return names
}

// equalFields compares one field by messages that have no other.
func equalFields(f protoreflect.FieldDescriptor, x, y protoreflect.Message) bool {
	only := func(m protoreflect.Message) proto.Message {
		n := m.New()
		if m.Has(f) {
			n.Set(f, m.Get(f))
		}
		return n.Interface()
	}
	return proto.Equal(only(x), only(y))
}

// ParseHA1 reads a digest that is stored instead of a password: which algorithm it is of
// follows from its length.
func ParseHA1(s string) (configpb.DigestAlgorithm, string, error) {
	s = strings.ToLower(s)
	if strings.Trim(s, "0123456789abcdef") == "" {
		switch len(s) {
		case 32:
			return configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, s, nil
		case 64:
			return configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, s, nil
		}
	}
	return 0, "", fmt.Errorf("an ha1 has 32 (MD5) or 64 (SHA-256) hexadecimal digits, this one has %d characters", len(s))
}
