package fsm

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Digest is a SHA-256 over everything that the View holds: equal at all nodes
// that applied the same log. It reads the objects field by field and shares no
// code with snapshots and the store, so that it shows what those leave out.
func (v *View) Digest() string {
	d := digest{sha256.New()}
	d.text(v.epoch)
	d.number(v.index)
	d.number(uint64(v.Level()))
	d.object(v.stored)
	for _, n := range v.nodes {
		d.object(n)
	}
	if v.security != nil {
		d.object(v.security)
	}
	for _, i := range v.invites {
		d.object(i)
	}
	v.groups.Ascend(func(e entry[configpb.AgentGroup]) bool { d.keyed(e.key, e.val); return true })
	v.dns.Ascend(func(e entry[configpb.DN]) bool { d.keyed(e.key, e.val); return true })
	v.tokens.Ascend(func(e entry[configpb.Token]) bool { d.keyed(e.key, e.val); return true })
	v.audit.rows.Ascend(func(r auditRow) bool { d.number(r.index); d.text(r.data); return true })
	d.number(v.memory.next)
	v.memory.order.Ascend(func(o *outcome) bool { d.outcome(o); return true })
	return hex.EncodeToString(d.sum.Sum(nil))
}

// digest frames whatever it is given, so that no two sequences look the same.
type digest struct{ sum hash.Hash }

func (d digest) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.sum.Write(b[:])
}

func (d digest) text(s string) {
	d.number(uint64(len(s)))
	d.sum.Write([]byte(s))
}

func (d digest) keyed(key string, m proto.Message) {
	d.text(key)
	d.object(m)
}

func (d digest) outcome(o *outcome) {
	d.number(o.seq)
	d.text(o.id)
	d.number(o.index)
	d.text(o.content)
	if o.err == nil {
		d.number(0)
		return
	}
	d.number(uint64(kindNumber(o.err.Kind)))
	d.number(uint64(o.err.Mutation))
	d.text(o.err.Text)
}

// object takes the name of the message and each field that is set, those that
// this program does not know included.
func (d digest) object(m proto.Message) { d.message(m.ProtoReflect()) }

func (d digest) message(m protoreflect.Message) {
	d.text(string(m.Descriptor().FullName()))
	type field struct {
		fd  protoreflect.FieldDescriptor
		val protoreflect.Value
	}
	var set []field
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		set = append(set, field{fd, v})
		return true
	})
	slices.SortFunc(set, func(a, b field) int { return cmp.Compare(a.fd.Number(), b.fd.Number()) })
	d.number(uint64(len(set)))
	for _, f := range set {
		d.number(uint64(f.fd.Number()))
		d.field(f.fd, f.val)
	}
	d.text(string(m.GetUnknown()))
}

func (d digest) field(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	if fd.IsMap() {
		d.mapped(v.Map())
		return
	}
	if !fd.IsList() {
		d.value(fd, v)
		return
	}
	list := v.List()
	d.number(uint64(list.Len()))
	for i := range list.Len() {
		d.value(fd, list.Get(i))
	}
}

// mapped takes a map of values under texts in the order of the texts.
func (d digest) mapped(m protoreflect.Map) {
	var keys []string
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k.String())
		return true
	})
	slices.Sort(keys)
	d.number(uint64(len(keys)))
	for _, k := range keys {
		d.text(k)
		d.text(m.Get(protoreflect.ValueOfString(k).MapKey()).String())
	}
}

func (d digest) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	if fd.Message() != nil {
		d.message(v.Message())
		return
	}
	d.text(v.String())
}
