package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// methods are all methods of all services of our .proto files.
func methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := 0; j < f.Services().Get(i).Methods().Len() && strings.HasPrefix(string(f.Package()), "sipcluster."); j++ {
				all = append(all, f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return all
}

// leaf is a field of a request: the fields that lead to it, itself the last.
type leaf []protoreflect.FieldDescriptor

func (l leaf) last() protoreflect.FieldDescriptor { return l[len(l)-1] }

func (l leaf) String() string {
	var names []string
	for _, fd := range l {
		names = append(names, string(fd.Name()))
	}
	return strings.Join(names, ".")
}

// leaves are all fields below m, lists and maps among them.
func leaves(t *testing.T, m protoreflect.MessageDescriptor, before leaf) []leaf {
	t.Helper()
	if len(before) > 8 {
		t.Fatalf("%s nests too deep: a request has a bounded depth", before)
	}
	var all []leaf
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		l := append(slices.Clone(before), fd)
		if fd.Message() == nil || fd.IsList() || fd.IsMap() {
			all = append(all, l)
		}
		if fd.Message() != nil && !fd.IsMap() {
			all = append(all, leaves(t, fd.Message(), l)...)
		}
	}
	return all
}

// names of the rows that a field needs in the table.
func names(fd protoreflect.FieldDescriptor) []protoreflect.FullName {
	plain := func(fd protoreflect.FieldDescriptor) bool {
		return fd.Message() == nil && fd.Enum() == nil && fd.Kind() != protoreflect.BoolKind
	}
	switch {
	case fd.IsMap():
		return []protoreflect.FullName{fd.FullName(), fd.MapKey().FullName(), fd.MapValue().FullName()}
	case fd.IsList() && plain(fd):
		return []protoreflect.FullName{fd.FullName(), fd.FullName() + "[]"}
	case fd.IsList() || plain(fd):
		return []protoreflect.FullName{fd.FullName()}
	}
	return nil
}

// The sort of a bound has to fit its field: a string has a length.
func fits(fd protoreflect.FieldDescriptor, name protoreflect.FullName, b bounds.Bound) bool {
	switch {
	case (fd.IsList() || fd.IsMap()) && name == fd.FullName():
		return b.Sort == bounds.Items && b.Max > 0
	case fd.IsMap() && name == fd.MapValue().FullName() && fd.MapValue().Kind() == protoreflect.Uint32Kind:
		return b.Sort == bounds.Number && b.Max > 0
	case fd.IsMap() || fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BytesKind:
		return b.Sort == bounds.Text && b.Max > 0
	}
	return b.Sort == bounds.Number && b.Max > 0 || b.Sort == bounds.Any
}

func TestBounds_EveryFieldOfEveryRequestHasOne(t *testing.T) {
	if len(methods()) < 18 {
		t.Fatalf("only %d methods were found", len(methods()))
	}
	for _, m := range methods() {
		if _, ok := doors[m.FullName()]; !ok {
			t.Errorf("no test calls %s: add it to doors", m.FullName())
		}
		for _, l := range leaves(t, m.Input(), nil) {
			for _, name := range names(l.last()) {
				if b, ok := bounds.Of(name); !ok {
					t.Errorf("%s: %s has no bound: give it a row in api/bounds", m.FullName(), name)
				} else if !fits(l.last(), name, b) {
					t.Errorf("%s: the bound of %s does not fit: %+v", m.FullName(), name, b)
				}
			}
		}
	}
}

// At each bound a request is accepted, one over it is refused with the field's
// name, and changes nothing.
func TestBounds_AreThoseOfTheDoors(t *testing.T) {
	n := runNode(t)
	before := n.exported()
	for _, m := range methods() {
		door := doors[m.FullName()]
		for _, l := range leaves(t, m.Input(), nil) {
			for _, c := range cases(t, l) {
				t.Run(fmt.Sprintf("%s/%s", m.FullName(), c.name), func(t *testing.T) {
					if c.over != nil {
						wantRefused(t, door(n, m, n.request(m, l, c.over)), c)
						if now := n.exported(); now != before {
							t.Fatalf("it changed the configuration:\n%s\n%s", before, now)
						}
					}
					err := door(n, m, n.request(m, l, c.at))
					if refused(err) && c.named(err) {
						t.Errorf("at the bound of %d: %v", c.bound.Max, err)
					}
					if code := status.Code(err); code == codes.Unavailable || code == codes.DeadlineExceeded {
						n.settle(t) // what the disk was slow with may be applied yet
					}
					before = n.exported()
				})
			}
		}
	}
}

// settle returns when all that was asked for before is applied, or never will be.
func (r *running) settle(t *testing.T) {
	t.Helper()
	if !patience.Within(patience.Limit, func() bool {
		_, err := r.config.Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{putGroup("g0")}})
		return err == nil
	}) {
		t.Fatal("no write behind the others")
	}
}

func refused(err error) bool {
	return status.Code(err) == codes.InvalidArgument || status.Code(err) == codes.ResourceExhausted
}

func wantRefused(t *testing.T, err error, c boundCase) {
	t.Helper()
	text := status.Convert(err).Message()
	if !refused(err) || !c.named(err) {
		t.Errorf("over the bound of %d: %v: want a refusal that names the field", c.bound.Max, err)
	}
	if of := c.numbers(); c.bound.By == "" && (!strings.Contains(text, of[0]) || !strings.Contains(text, of[1])) {
		t.Errorf("%v: want the value and the bound, %s", err, of)
	}
}

// named tells whether the text names the field.
func (c boundCase) named(err error) bool {
	text, word := status.Convert(err).Message(), words[c.row]
	if word == "" {
		word = strings.TrimSuffix(string(c.row), "[]")
		word = word[strings.LastIndex(word, ".")+1:]
	}
	if entry := strings.TrimSuffix(string(c.row.Parent().Name()), "Entry"); c.bound.By == "" && entry != string(c.row.Parent().Name()) {
		word = map[string]string{"Reasons": "reasons", "UserData": "user_data"}[entry]
	}
	return strings.Contains(text, word) || c.bound.By == "node/session" && strings.Contains(text, "user data")
}

// numbers are the value that is refused and the bound, as the text has them.
func (c boundCase) numbers() [2]string {
	if v, least := c.over.(uint64); least && v < c.bound.Min {
		return [2]string{fmt.Sprint(v), fmt.Sprint("at least ", c.bound.Min)}
	}
	return [2]string{fmt.Sprint(c.bound.Max + 1), fmt.Sprint("at most ", c.bound.Max)}
}

// A message over the port's limit is refused whatever it is, as are metadata.
func TestBounds_OfMessagesAsAWhole(t *testing.T) {
	n := runNode(t)
	big := &configpb.WriteRequest{RequestId: strings.Repeat("x", bounds.MaxMessage+1)}
	if _, err := n.config.Write(t.Context(), big); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("TCport: %v", err)
	}
	if _, err := n.consensus.Propose(t.Context(), &peerpb.ProposeRequest{ClusterId: strings.Repeat("x", bounds.MaxMessage+1)}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("cluster port: %v", err)
	}
	for size, want := range map[int]bool{bounds.MaxWriteBytes: true, bounds.MaxWriteBytes + 1: false} {
		_, err := n.config.Write(t.Context(), n.writeOf(size))
		if text := status.Convert(err).Message(); (err == nil) != want || err != nil && (!strings.Contains(text, fmt.Sprint(size)) || !strings.Contains(text, "use Import")) {
			t.Errorf("a write of %d bytes: %v", size, err)
		}
	}
}

// writeOf is a write whose command has that size: phones in many groups.
func (r *running) writeOf(size int) *configpb.WriteRequest {
	r.t.Helper()
	first, groups := &configpb.WriteRequest{}, []string{}
	for i := range fsm.MaxGroups {
		groups = append(groups, fmt.Sprintf("%02d%s", i, r.sixtyFour[2:]))
		first.Mutations = append(first.Mutations, putGroup(groups[i]))
	}
	if _, err := r.config.Write(r.t.Context(), first); err != nil {
		r.t.Fatal(err)
	}
	c := &peerpb.Command{Version: fsm.Version}
	for i := 0; proto.Size(c) < size-3000; i++ {
		d := r.blank("sipcluster.config.v1.DN").(*configpb.DN)
		d.Number, d.Groups = fmt.Sprint(10_000+i), groups
		c.Mutations = append(c.Mutations, putDN(d))
	}
	for i := 0; proto.Size(c) < size-100; i++ {
		c.Mutations = append(c.Mutations, putGroup(groups[0][:40]))
	}
	for c.RequestId = "r"; proto.Size(c) < size; {
		c.RequestId += "r"
	}
	if proto.Size(c) != size {
		r.t.Fatalf("a command of %d bytes, want %d", proto.Size(c), size)
	}
	return &configpb.WriteRequest{RequestId: c.GetRequestId(), Mutations: c.GetMutations()}
}

func putDN(d *configpb.DN) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

// imports tells whether all of it was taken.
func (r *running) imports(all []*configpb.Mutation) bool {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience.Limit)
	defer cancel()
	stream, err := r.config.Import(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for part := range slices.Chunk(all, 5000) {
		_ = stream.Send(&configpb.ImportRequest{Mutations: part}) // Recv says why not
	}
	_ = stream.CloseSend()
	for err == nil {
		_, err = stream.Recv()
	}
	return errors.Is(err, io.EOF)
}

// However many DNs there are and a client asks for, an answer has at most a page.
func TestBounds_OfAPage(t *testing.T) {
	n := runNode(t)
	patience.Until(t, "an import that no leader's end cuts short", func() bool { return n.imports(numbered(bounds.MaxPage + 1)) })
	for _, c := range []struct{ asked, want int }{
		{0, 1000}, {1, 1}, {1000, 1000}, {bounds.MaxPage, bounds.MaxPage}, {bounds.MaxPage + 1, bounds.MaxPage}, {1<<32 - 1, bounds.MaxPage},
	} {
		r, err := n.availability.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageSize: uint32(c.asked)})
		if err != nil || len(r.GetDns()) != c.want || r.GetNextPageToken() == "" {
			t.Errorf("asked for %d: %d, %v", c.asked, len(r.GetDns()), err)
		}
		f := &tcpb.Filter{Prefix: "5"}
		if r, err := n.availability.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{PageSize: uint32(c.asked), Filter: f}); err != nil || len(r.GetDns()) != 0 {
			t.Errorf("routable, asked for %d: %d, %v", c.asked, len(r.GetDns()), err)
		}
	}
}

func numbered(n int) []*configpb.Mutation {
	var all []*configpb.Mutation
	for i := range n {
		all = append(all, putDN(&configpb.DN{Number: fmt.Sprint(500_000 + i), Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}))
	}
	return all
}
