package fsm

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// A backup is a snapshot of what people make: options, groups, DNs and tokens. Who the
// nodes are and the keys that they share are not in it. A restore is one entry of the
// log that has the backup in it, compressed: all of it is done, or nothing.
const (
	// MaxRestore bounds a backup in a log entry, compressed, in bytes: more than
	// 100,000 DNs with passwords.
	MaxRestore = 3 << 20
	// maxBackup bounds it as it is.
	maxBackup = 256 << 20
)

// ErrBackup says that a backup can't be read, or is too large.
var ErrBackup = errors.New("no backup of a configuration")

// Backup is the part of the View that a backup holds.
func (v *View) Backup() *View {
	b := Empty()
	b.epoch, b.index, b.level, b.dns, b.groups, b.tokens = v.epoch, v.index, v.level, v.dns, v.groups, v.tokens
	b.setOptions(v.stored)
	return b
}

// ReadBackup reads what Backup and WriteTo made. With an error that wraps ErrLevel the
// View has the level alone.
func ReadBackup(in io.Reader) (*View, error) {
	limited := &io.LimitedReader{R: in, N: maxBackup}
	r := newReader(limited)
	lineage, index, err := r.header()
	if err == nil {
		var v *View
		if v, err = r.view(lineage, index, Program()); err == nil || errors.Is(err, ErrLevel) {
			return v.Backup(), err
		}
	}
	if limited.N <= 0 {
		return Empty(), fmt.Errorf("%w: it has more than %d bytes", ErrBackup, maxBackup)
	}
	return Empty(), fmt.Errorf("%w: %w", ErrBackup, err)
}

// Compressed is a backup as it is in a log entry.
func (v *View) Compressed() ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := v.Backup().WriteTo(w); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > MaxRestore {
		return nil, fmt.Errorf("%w that fits into one transaction: it has %d bytes, at most %d are possible", ErrBackup, b.Len(), MaxRestore)
	}
	return b.Bytes(), nil
}

// Difference is what a restore does to one object.
type Difference struct {
	// Kind is "options", "group", "DN" or "token", Name that of the object.
	Kind, Name string
	// Change is "created", "changed" or "deleted".
	Change string

	mutation *configpb.Mutation
}

// Restoring is what it takes to make of the View what the backup is, as far as that may
// be restored: never nodes and keys, and tokens only into another cluster that is new,
// where none can have been revoked.
func (v *View) Restoring(b *View) []Difference {
	var all []Difference
	add := func(kind, name, change string, m *configpb.Mutation) {
		all = append(all, Difference{kind, name, change, m})
	}
	if !alike(v.stored, b.stored) {
		add("options", "", "changed", &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: b.stored}})
	}
	for g := range b.Groups() {
		if old := v.Group(g.GetName()); old == nil || !alike(old, g) {
			add("group", g.GetName(), created(old == nil), &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: g}})
		}
	}
	for d := range b.DNs("") {
		if old := v.DN(d.GetNumber()); old == nil || !alike(old, d) {
			add("DN", d.GetNumber(), created(old == nil), &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
		}
	}
	for d := range v.DNs("") {
		if b.DN(d.GetNumber()) == nil {
			add("DN", d.GetNumber(), "deleted", &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: d.GetNumber()}})
		}
	}
	for g := range v.Groups() {
		if b.Group(g.GetName()) == nil {
			add("group", g.GetName(), "deleted", &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: g.GetName()}})
		}
	}
	if v.Epoch() != b.Epoch() && v.security != nil && v.dns.Len()+v.groups.Len() == 0 {
		for t := range behind(b.tokens, "") {
			if v.Token(t.GetId()) == nil {
				add("token", t.GetId(), "created", &configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: t}})
			}
		}
	}
	return all
}

func created(is bool) string {
	if is {
		return "created"
	}
	return "changed"
}

// alike compares objects without their revisions.
func alike(a, b proto.Message) bool {
	a, b = proto.Clone(a), proto.Clone(b)
	for _, m := range []proto.Message{a, b} {
		m.ProtoReflect().Clear(m.ProtoReflect().Descriptor().Fields().ByName("revision"))
	}
	return proto.Equal(a, b)
}

// restore makes the configuration what a compressed backup says.
func (d *draft) restore(number int, compressed []byte) *Rejection {
	b, err := ReadBackup(flate.NewReader(bytes.NewReader(compressed)))
	switch {
	case b.Level() > d.view.Level(): // also what this program can't read, for the reason that the others give
		return tooHigh(d.view, b.Level())
	case err != nil:
		return reject(ErrInvalid, "%v", err)
	}
	return d.all(number, d.view.Restoring(b))
}

func (d *draft) all(number int, differences []Difference) *Rejection {
	for _, x := range differences {
		if r := d.mutation(number, x.mutation); r != nil {
			return r
		}
	}
	return nil
}

// WithRestored is With for a restore, which it shows beforehand with what it changes.
func (v *View) WithRestored(b *View) (*View, []Difference, error) {
	differences := v.Restoring(b)
	d := newDraft(v, v.index+1)
	d.own()
	r := d.all(1, differences)
	if r == nil {
		r = d.references()
	}
	if r != nil {
		return v, nil, r
	}
	return d.view, differences, nil
}

// Answered tells whether the request of that id is among those that were applied or
// rejected lately.
func (v *View) Answered(requestID string) bool { return v.memory.get(requestID) != nil }
