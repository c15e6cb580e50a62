package configpb

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// fixed are the fields of an object that a mask can't change: its key, and what the
// cluster sets.
var fixed = map[protoreflect.FullName]bool{
	"sipcluster.config.v1.DN.number": true, "sipcluster.config.v1.DN.revision": true,
	"sipcluster.config.v1.AgentGroup.name": true, "sipcluster.config.v1.AgentGroup.revision": true,
	"sipcluster.config.v1.Node.id": true, "sipcluster.config.v1.Node.revision": true,
	"sipcluster.config.v1.Options.revision": true,
}

// Merge makes the fields of into that the mask names what from has, or unset where it
// does not have them. Both are of one type. The error names a path that is none; into
// may have changed then.
func Merge(into, from proto.Message, mask *fieldmaskpb.FieldMask) error {
	for _, path := range mask.GetPaths() {
		name, below, nested := strings.Cut(path, ".")
		fd := field(into.ProtoReflect(), name)
		if fd == nil || !merge(into.ProtoReflect(), from.ProtoReflect(), fd, below, nested) {
			return fmt.Errorf("mask: %.70q is no field that can be changed by itself", path)
		}
	}
	return nil
}

func field(m protoreflect.Message, name string) protoreflect.FieldDescriptor {
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if fd == nil || fixed[fd.FullName()] {
		return nil
	}
	return fd
}

func merge(into, from protoreflect.Message, fd protoreflect.FieldDescriptor, below string, nested bool) bool {
	switch {
	case nested && (fd.Message() == nil || fd.IsList() || fd.IsMap()):
		return false
	case nested:
		inner := field(from.Get(fd).Message(), below)
		if inner == nil {
			return false
		}
		if !into.Has(fd) && !from.Has(fd) {
			return true // nothing stays nothing
		}
		return merge(into.Mutable(fd).Message(), from.Get(fd).Message(), inner, "", false)
	case from.Has(fd):
		into.Set(fd, from.Get(fd))
	default:
		into.Clear(fd)
	}
	return true
}

// Changed is the mask of the fields in which b differs from a, those of a message
// that both have one by one; nil when they are equal.
func Changed(a, b proto.Message) *fieldmaskpb.FieldMask {
	var paths []string
	differ(a.ProtoReflect(), b.ProtoReflect(), func(fd protoreflect.FieldDescriptor) {
		x, y := a.ProtoReflect(), b.ProtoReflect()
		if fd.Message() == nil || fd.IsList() || fd.IsMap() || !x.Has(fd) || !y.Has(fd) {
			paths = append(paths, string(fd.Name()))
			return
		}
		differ(x.Get(fd).Message(), y.Get(fd).Message(), func(inner protoreflect.FieldDescriptor) {
			paths = append(paths, string(fd.Name())+"."+string(inner.Name()))
		})
	})
	if len(paths) == 0 {
		return nil
	}
	return &fieldmaskpb.FieldMask{Paths: paths}
}

// differ calls fn for each field that can be changed and differs.
func differ(a, b protoreflect.Message, fn func(protoreflect.FieldDescriptor)) {
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !fixed[fd.FullName()] && (a.Has(fd) != b.Has(fd) || !a.Get(fd).Equal(b.Get(fd))) {
			fn(fd)
		}
	}
}
