package fsm_test

import (
	"errors"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

func point(n string, dids ...string) *configpb.Mutation {
	return put(&configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, Dids: dids})
}

// TestView_ByDID has each number at one DN, whatever a command does first.
func TestView_ByDID(t *testing.T) {
	v, err := fsm.Empty().With([]*configpb.Mutation{point("3000", "+4930100", "4930101"), point("3001", "+4930102")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		change  []*configpb.Mutation
		refused bool
		want    map[string]string
	}{
		{"as they are", nil, false, map[string]string{"+4930100": "3000", "4930100": "3000", "+4930101": "3000", "4930102": "3001", "+4930103": "", "3000": ""}},
		{"taken from another one", []*configpb.Mutation{point("3001", "4930100")}, true, nil},
		{"exchanged, the taker first", []*configpb.Mutation{point("3001", "+4930100"), point("3000", "+4930102")}, false, map[string]string{"+4930100": "3001", "+4930102": "3000", "+4930101": ""}},
		{"given up first", []*configpb.Mutation{point("3000"), point("3001", "+4930100")}, false, map[string]string{"+4930100": "3001", "+4930102": ""}},
		{"of a DN that is deleted", []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "3000"}}}, false, map[string]string{"+4930100": "", "+4930102": "3001"}},
		{"of one that is deleted behind", []*configpb.Mutation{point("3001", "+4930100"), {Op: &configpb.Mutation_DeleteDn{DeleteDn: "3000"}}}, false, map[string]string{"+4930100": "3001"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, err := v.With(c.change)
			if refused := errors.Is(err, fsm.ErrConflict); refused != c.refused {
				t.Fatal(err)
			}
			for did, want := range c.want {
				if got := next.ByDID(did).GetNumber(); got != want {
					t.Errorf("%s is %q, want %q", did, got, want)
				}
			}
		})
	}
	if v.ByDID("+4930100").GetNumber() != "3000" {
		t.Error("a View has changed")
	}
}
