package bounds

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// plan is what has to be looked at in a message; nil when nothing has.
type plan struct{ fields []field }

type field struct {
	fd    protoreflect.FieldDescriptor
	count Bound // of a list or a map
	value Bound // of each value; Sort 0 for none
	key   Bound // of each key of a map
	enum  bool  // each value must be known
	below *plan
}

var plans struct {
	sync.Mutex
	of map[protoreflect.FullName]*plan
}

func planOf(m protoreflect.MessageDescriptor) *plan {
	plans.Lock()
	defer plans.Unlock()
	if plans.of == nil {
		plans.of = map[protoreflect.FullName]*plan{}
	}
	return newPlan(m)
}

// newPlan is called with the lock held. Requests don't nest in themselves.
func newPlan(m protoreflect.MessageDescriptor) *plan {
	if p, known := plans.of[m.FullName()]; known {
		return p
	}
	var p *plan
	for i := range m.Fields().Len() {
		if f := newField(m.Fields().Get(i)); f.needed() {
			if p == nil {
				p = &plan{}
			}
			p.fields = append(p.fields, f)
		}
	}
	plans.of[m.FullName()] = p
	return p
}

func newField(fd protoreflect.FieldDescriptor) field {
	f, values := field{fd: fd}, fd
	if fd.IsList() || fd.IsMap() {
		f.count = enforced(fd.FullName())
	}
	switch {
	case fd.IsMap():
		f.key, f.value, values = enforced(fd.MapKey().FullName()), enforced(fd.MapValue().FullName()), fd.MapValue()
	case fd.IsList():
		f.value = enforced(fd.FullName() + "[]")
	default:
		f.value = enforced(fd.FullName())
	}
	if values.Enum() != nil {
		f.enum = table[fd.FullName()].By == ""
	}
	if values.Message() != nil {
		f.below = newPlan(values.Message())
	}
	return f
}

// enforced is the bound, when it is enforced here.
func enforced(name protoreflect.FullName) Bound {
	b := table[name]
	if b.By != "" || b.Capped || b.Sort == Any {
		return Bound{}
	}
	return b
}

func (f *field) needed() bool {
	return f.count.Sort != 0 || f.value.Sort != 0 || f.key.Sort != 0 || f.enum || f.below != nil
}

func (p *plan) check(m protoreflect.Message, in string) string {
	if p == nil {
		return ""
	}
	for i := range p.fields {
		f := &p.fields[i]
		if !m.Has(f.fd) {
			continue // within every bound: a least is for what is given
		}
		if text := f.check(m.Get(f.fd), in+string(f.fd.Name())); text != "" {
			return text
		}
	}
	return ""
}

func (f *field) check(v protoreflect.Value, path string) (text string) {
	switch {
	case f.fd.IsList():
		list := v.List()
		if text = f.many(path, list.Len()); text != "" {
			return text
		}
		for i := 0; i < list.Len() && text == ""; i++ {
			text = f.one(list.Get(i), f.fd, fmt.Sprintf("%s[%d]", path, i))
		}
	case f.fd.IsMap():
		if text = f.many(path, v.Map().Len()); text != "" {
			return text
		}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			if f.key.Sort == Text {
				text = f.key.refuses(path+" key", uint64(len(k.String())))
			}
			if text == "" {
				text = f.one(v, f.fd.MapValue(), fmt.Sprintf("%s[%.70q]", path, k.String()))
			}
			return text == ""
		})
	default:
		text = f.one(v, f.fd, path)
	}
	return text
}

func (f *field) many(path string, n int) string {
	if f.count.Sort == 0 {
		return ""
	}
	return f.count.refuses(path, uint64(n))
}

// one checks one value, of fd's type.
func (f *field) one(v protoreflect.Value, fd protoreflect.FieldDescriptor, path string) string {
	switch {
	case fd.Message() != nil:
		return f.below.check(v.Message(), path+".")
	case fd.Enum() != nil:
		if f.enum && fd.Enum().Values().ByNumber(v.Enum()) == nil {
			return fmt.Sprintf("%s is %d: this node knows no such value", path, v.Enum())
		}
	case f.value.Sort == Text && fd.Kind() == protoreflect.StringKind:
		return f.value.refuses(path, uint64(len(v.String())))
	case f.value.Sort == Text:
		return f.value.refuses(path, uint64(len(v.Bytes())))
	case f.value.Sort == Number:
		return f.value.refuses(path, v.Uint())
	}
	return ""
}
