package configpb

import (
	"testing"

	"google.golang.org/protobuf/proto"
)

// What changed, merged into what was, gives what is, and the mask names no more than that.
func TestMask_ChangedAndMergedIsTheSame(t *testing.T) {
	zero, nine := uint32(0), uint32(9)
	trunk := &DN{Number: "4", Kind: DNKind_DN_KIND_TRUNK, Trunk: &Trunk{Address: "a:1", Prefix: "+", InboundAuth: &TrunkAuth{User: "u"}}}
	for _, c := range []struct {
		a, b proto.Message
		want []string
	}{
		{trunk, trunk, nil},
		{trunk, &DN{Number: "4", Kind: DNKind_DN_KIND_TRUNK, Revision: 9, Trunk: &Trunk{Address: "b:1", Prefix: "+", InboundAuth: &TrunkAuth{User: "v"}}}, []string{"trunk.address", "trunk.inbound_auth"}},
		{trunk, &DN{Number: "4", Disabled: true}, []string{"kind", "disabled", "trunk"}},
		{&DN{Number: "1", Groups: []string{"a", "b"}}, &DN{Number: "1", Groups: []string{"b", "a"}}, []string{"groups"}},
		{&Options{PingIntervalS: &zero, FlowGraceS: &nine}, &Options{FlowGraceS: &zero}, []string{"ping_interval_s", "flow_grace_s"}},
	} {
		mask := Changed(c.a, c.b)
		if got := mask.GetPaths(); len(got) != len(c.want) {
			t.Errorf("%v to %v: %v, want %v", c.a, c.b, got, c.want)
			continue
		}
		for i, p := range mask.GetPaths() {
			if p != c.want[i] {
				t.Errorf("%v to %v: %v, want %v", c.a, c.b, mask.GetPaths(), c.want)
			}
		}
		made := proto.Clone(c.a)
		if err := Merge(made, c.b, mask); err != nil || Changed(made, c.b) != nil {
			t.Errorf("%v merged into %v gives %v, %v", c.b, c.a, made, err)
		}
	}
}
