package call

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func (c *dnCalls) all() []use { return slices.AppendSeq(slices.Clone(c.few), maps.Values(c.many)) }

// TestUses_OfADNWithManyCalls: however many calls a DN has, and had, it has part in those
// that took it in more often than they let it go.
func TestUses_OfADNWithManyCalls(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	u, want := newUses(), map[ID]use{}
	for i := range 20_000 {
		id := ID(fmt.Sprintf("%016x", r.IntN(1+i/500)))
		x := want[id]
		by := use{id: id, parts: 1, talks: int32(r.IntN(2))}
		if x.parts > 0 && r.IntN(2) == 0 {
			by = use{id, -1, -int32(r.IntN(int(min(x.talks, 1)) + 1))}
			if x.parts == 1 {
				by.talks = -x.talks
			}
		}
		x = use{id, x.parts + by.parts, x.talks + by.talks}
		if want[id] = x; x.parts == 0 {
			delete(want, id)
		}
		u.add("1", by)
		all := u.of["1"]
		got, talks := map[ID]use{}, int32(0)
		for _, x := range all.all() {
			got[x.id] = x
			talks += talking(x)
		}
		if !maps.Equal(got, want) || all.len() != len(want) || all.talks != talks {
			t.Fatalf("step %d: %v talks in %d, want %v", i, got, all.talks, want)
		}
		if _, kept := u.of["1"]; kept != (len(want) > 0) {
			t.Fatal("a DN without calls is kept")
		}
	}
}
