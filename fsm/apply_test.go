package fsm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// base has group g, phone 1000 in it (revision 1), nodes a and b, realm example.com.
func base(t testing.TB) *View {
	t.Helper()
	v, err := Empty().With([]*configpb.Mutation{
		options(&configpb.Options{Realm: "example.com"}), node("id-a", "a"), node("id-b", "b"), group("g"), group("unused"), phone("1000", "g"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func with(d *configpb.DN) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

func TestView_With(t *testing.T) {
	sip, pstn := configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN
	rp, trunk := configpb.DNKind_DN_KIND_ROUTING_POINT, configpb.DNKind_DN_KIND_TRUNK
	for _, c := range []struct {
		name string
		ms   []*configpb.Mutation
		want error
		at   int
		text string
	}{
		{"nothing", nil, nil, 0, ""},
		{"an empty mutation", []*configpb.Mutation{{}}, ErrInvalid, 1, "empty"},
		{"a bad number", []*configpb.Mutation{phone("10 00")}, ErrInvalid, 1, "not a DN"},
		{"no kind", []*configpb.Mutation{with(&configpb.DN{Number: "1"})}, ErrInvalid, 1, "kind"},
		{"no password", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: sip})}, ErrInvalid, 1, "password"},
		{"SHA-256 with an MD5 ha1", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: sip, Ha1: ha1, Algorithm: 2})}, ErrInvalid, 1, "64"},
		{"upper-case hex", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: sip, Ha1: strings.ToUpper(ha1)})}, ErrInvalid, 1, "hex"},
		{"pstn", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: pstn, External: "+15551234567", Groups: []string{"g"}})}, nil, 0, ""},
		{"pstn without external", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: pstn})}, ErrInvalid, 1, "E.164"},
		{"pstn with a password", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: pstn, External: "+1555", Ha1: ha1})}, ErrInvalid, 1, "password"},
		{"sip with a trunk", []*configpb.Mutation{with(&configpb.DN{Number: "1", Kind: sip, Ha1: ha1, Trunk: &configpb.Trunk{}})}, ErrInvalid, 1, "trunk"},
		{"trunk", []*configpb.Mutation{with(&configpb.DN{Number: "t", Kind: trunk, Trunk: &configpb.Trunk{Address: "gw.example.com:5060", Prefix: "+1"}})}, nil, 0, ""},
		{"trunk without address", []*configpb.Mutation{with(&configpb.DN{Number: "t", Kind: trunk, Trunk: &configpb.Trunk{Address: "gw"}})}, ErrInvalid, 1, "host:port"},
		{"routing point", []*configpb.Mutation{with(&configpb.DN{Number: "8000", Kind: rp, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "g"}})}, nil, 0, ""},
		{"routing point of an unknown group", []*configpb.Mutation{with(&configpb.DN{Number: "8000", Kind: rp, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "x"}})}, ErrInvalid, 1, `group "x"`},
		{"an unknown group, second mutation", []*configpb.Mutation{phone("1"), phone("2", "x")}, ErrInvalid, 2, `group "x"`},
		{"a group made later in the same command", []*configpb.Mutation{phone("2", "x"), group("x")}, nil, 0, ""},
		{"a group named twice", []*configpb.Mutation{phone("2", "g", "g")}, ErrInvalid, 1, "twice"},
		{"a DN put and deleted", []*configpb.Mutation{phone("2", "x"), deleteDN("2")}, nil, 0, ""},
		{"delete of nothing", []*configpb.Mutation{deleteDN("77")}, ErrNotFound, 1, "77"},
		{"a group in use", []*configpb.Mutation{deleteGroup("g")}, ErrConflict, 1, "1000"},
		{"a group with its last user", []*configpb.Mutation{deleteGroup("g"), deleteDN("1000")}, nil, 0, ""},
		{"a group nobody uses", []*configpb.Mutation{deleteGroup("unused")}, nil, 0, ""},
		{"a group in use that is made anew", []*configpb.Mutation{deleteGroup("g"), group("g")}, nil, 0, ""},
		{"a group in use that is put and deleted", []*configpb.Mutation{group("g"), deleteGroup("g")}, ErrConflict, 2, "1000"},
		{"a name that is taken", []*configpb.Mutation{node("id-c", "a")}, ErrNameTaken, 1, "called a"},
		{"names swapped one by one", []*configpb.Mutation{node("id-a", "c"), node("id-b", "a"), node("id-a", "b")}, nil, 0, ""},
		{"all nodes gone", []*configpb.Mutation{deleteNode("id-a"), deleteNode("id-b")}, ErrConflict, 2, "last"},
		{"another realm", []*configpb.Mutation{options(&configpb.Options{Realm: "other.com"})}, ErrConflict, 1, "realm"},
		{"options without a realm keep it", []*configpb.Mutation{options(&configpb.Options{MaxContacts: 3})}, nil, 0, ""},
		{"expires out of order", []*configpb.Mutation{options(&configpb.Options{MinExpiresS: 100, MaxExpiresS: 50})}, ErrInvalid, 1, "expires"},
		{"if absent, but there", []*configpb.Mutation{ifRevision(phone("1000"), 0)}, ErrRevision, 1, "revision 1"},
		{"if absent", []*configpb.Mutation{ifRevision(phone("1001"), 0)}, nil, 0, ""},
		{"if revision", []*configpb.Mutation{ifRevision(phone("1000"), 1)}, nil, 0, ""},
		{"if another revision", []*configpb.Mutation{ifRevision(deleteDN("1000"), 7)}, ErrRevision, 1, "read it again"},
		{"password kept", []*configpb.Mutation{keepHA1(phone("1000"))}, nil, 0, ""},
		{"no password to keep", []*configpb.Mutation{keepHA1(phone("1001"))}, ErrInvalid, 1, "no stored password"},
		{"too many", slices.Repeat([]*configpb.Mutation{phone("1")}, MaxMutations+1), ErrInvalid, 0, "import"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := base(t)
			before := v.Digest()
			got, err := v.With(c.ms)
			if v.Digest() != before {
				t.Fatal("the View itself changed")
			}
			if c.want == nil {
				if err != nil || got.Options().GetRealm() != "example.com" {
					t.Fatal(err)
				}
				return
			}
			var r *Rejection
			if !errors.Is(err, c.want) || !errors.As(err, &r) || r.Mutation != c.at || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v", err)
			}
			if got != v {
				t.Fatal("a rejected command made another View")
			}
		})
	}
}

func TestView_KeptPasswordKeepsItsAlgorithm(t *testing.T) {
	long := strings.Repeat(ha1, 2)
	v, err := base(t).With([]*configpb.Mutation{with(&configpb.DN{Number: "2", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: long, Algorithm: 2})})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = v.With([]*configpb.Mutation{keepHA1(phone("2", "g"))}); err != nil {
		t.Fatal(err)
	}
	if d := v.DN("2"); d.GetHa1() != long || d.GetAlgorithm() != 2 || len(d.GetGroups()) != 1 {
		t.Fatal(d)
	}
}

func TestView_Reads(t *testing.T) {
	v, err := base(t).With([]*configpb.Mutation{phone("999"), phone("1001"), phone("20")})
	if err != nil {
		t.Fatal(err)
	}
	var all, some []string
	for d := range v.DNs("") {
		all = append(all, d.GetNumber())
	}
	for d := range v.DNs("1000") {
		some = append(some, d.GetNumber())
	}
	if !slices.Equal(all, []string{"1000", "1001", "20", "999"}) || !slices.Equal(some, []string{"1001", "20", "999"}) {
		t.Fatal(all, some)
	}
	if v.DN("nobody") != nil || v.DNBytes([]byte("999")).GetNumber() != "999" || v.NodeByName("b").GetId() != "id-b" || v.NodeByName("c") != nil {
		t.Fatal("wrong lookups")
	}
	o := v.Options()
	if o.GetMinExpiresS() != 60 || o.GetMaxExpiresS() != 7200 || o.GetDefaultExpiresS() != 3600 || o.GetMaxContacts() != 10 || o.GetPingMisses() != 3 {
		t.Fatal(o)
	}
	number := []byte("999")
	if n := testing.AllocsPerRun(100, func() { v.DNBytes(number) }); n != 0 {
		t.Fatalf("DNBytes allocates %v times", n)
	}
}
