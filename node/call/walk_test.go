package call

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// A call that is up during all of a walk is in it, whoever comes and goes meanwhile, and
// nobody is in it who was not up.
func TestTable_WalksWhileCallsComeAndGo(t *testing.T) {
	tab := newTable("a")
	ring := func() ID {
		id, err := tab.Begin(Info{Caller: "1001", Type: Internal})
		if err != nil || !tab.Ringing(id, "1002", "a") {
			t.Fatal(id, err)
		}
		return id
	}
	up := map[ID]bool{}
	for range 3 * walkChunk {
		up[ring()] = true
	}
	for range 4 {
		stays, ever, seen := maps.Clone(up), maps.Clone(up), map[ID]bool{}
		n := 0
		for c := range tab.All() {
			seen[c.ID] = true
			if n++; n%3 != 0 {
				continue
			}
			if ids := slices.Collect(maps.Keys(up)); rand.IntN(2) == 0 && len(ids) > walkChunk {
				id := ids[rand.IntN(len(ids))]
				tab.End(id, 0, false)
				delete(up, id)
				delete(stays, id)
			} else {
				id := ring()
				up[id], ever[id] = true, true
			}
			if n > 8*walkChunk {
				t.Fatal("the walk has no end")
			}
		}
		for id := range stays {
			if !seen[id] {
				t.Fatalf("%s was up all the time, and is missing", id)
			}
		}
		for id := range seen {
			if !ever[id] {
				t.Fatalf("%s was never up", id)
			}
		}
	}
	for id := range up {
		if c, ok := tab.Seen(id); !ok || c.ID != id {
			t.Fatalf("%s is up, and not seen", id)
		}
		tab.End(id, 0, false)
		if _, ok := tab.Seen(id); ok {
			t.Fatalf("%s is over, and seen", id)
		}
	}
	for c := range tab.All() {
		t.Fatalf("%s is over, and in the walk", c.ID)
	}
}
