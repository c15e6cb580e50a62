package fsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// scanned are trunks, members by group and what stands, by a walk over all DNs.
func scanned(v *View) (trunks []string, members map[string][]string, standing int) {
	members = map[string][]string{}
	for d := range v.DNs("") {
		if d.GetKind() == configpb.DNKind_DN_KIND_TRUNK {
			trunks = append(trunks, d.GetNumber())
		}
		for g := range groupsOf(d) {
			if !slices.Contains(members[g], d.GetNumber()) {
				members[g] = append(members[g], d.GetNumber())
			}
		}
		if !Registers(d) && !d.GetDisabled() {
			standing++
		}
	}
	return trunks, members, standing
}

func checkLookedUp(t *testing.T, v *View, groups []string) {
	t.Helper()
	trunks, members, standing := scanned(v)
	var got []string
	for d := range v.Trunks() {
		got = append(got, d.GetNumber())
	}
	if !slices.Equal(got, trunks) || v.Standing() != standing {
		t.Fatalf("trunks %v, %d stand, want %v, %d", got, v.Standing(), trunks, standing)
	}
	for _, g := range groups {
		for _, after := range append([]string{""}, members[g]...) {
			var got, want []string
			for d := range v.Members(g, after) {
				if got = append(got, d.GetNumber()); v.DN(d.GetNumber()) != d {
					t.Fatalf("group %s has an old DN %s", g, d.GetNumber())
				}
			}
			for _, n := range members[g] {
				if n > after {
					want = append(want, n)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("group %s behind %q: %v, want %v", g, after, got, want)
			}
		}
	}
}

// What DNs are looked up by is what a walk over all of them finds, after any changes, and
// each View keeps its own.
func TestView_FindsDNsByGroupAndTrunks(t *testing.T) {
	r, groups := rand.New(rand.NewPCG(1, 15)), []string{"a", "ab", "b"}
	v := Empty()
	for _, g := range groups {
		v = changed(t, v, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: g}}})
	}
	for range 1500 {
		before := v
		number := fmt.Sprint(1000 + r.IntN(60))
		m := &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}}
		if v.DN(number) == nil || r.IntN(3) > 0 {
			m.Op = &configpb.Mutation_PutDn{PutDn: anyDN(r, number, groups)}
		}
		v = changed(t, v, m)
		checkLookedUp(t, v, groups)
		checkLookedUp(t, before, groups)
	}
	copied := Empty()
	if err := v.records(func(kind byte, _ string, value []byte) error { return copied.add(kind, value) }); err != nil {
		t.Fatal(err)
	}
	checkLookedUp(t, copied, groups)
}

func changed(t *testing.T, v *View, m *configpb.Mutation) *View {
	t.Helper()
	next, err := v.With([]*configpb.Mutation{m})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func anyDN(r *rand.Rand, number string, groups []string) *configpb.DN {
	d := &configpb.DN{Number: number, Disabled: r.IntN(3) == 0}
	switch r.IntN(3) {
	case 0:
		d.Kind, d.Trunk = configpb.DNKind_DN_KIND_TRUNK, &configpb.Trunk{Address: "192.0.2.1:5060", Prefix: number}
	case 1:
		d.Kind, d.RoutingPoint = configpb.DNKind_DN_KIND_ROUTING_POINT, &configpb.RoutingPoint{DefaultGroup: groups[r.IntN(len(groups))]}
	default:
		d.Kind, d.Ha1 = configpb.DNKind_DN_KIND_SIP, "0123456789abcdef0123456789abcdef"
		for _, g := range groups {
			if r.IntN(2) == 0 {
				d.Groups = append(d.Groups, g)
			}
		}
	}
	return d
}
