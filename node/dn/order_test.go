package dn

import (
	"fmt"
	"testing"
)

// DNs that come and go leave no trace behind that grows.
func TestTable_ForgetsTheDNsThatAreNoMore(t *testing.T) {
	const alive, round = 100, 1000
	tab := New(Config{Self: "a", Incarnation: 1})
	for i := range alive {
		tab.Register(Number(fmt.Sprint("5", 1000+i)), Registered)
	}
	for r := range 20 {
		for i := range round {
			n := Number(fmt.Sprint(r, "-", i))
			tab.Register(n, Registered)
			tab.Remove(n, Deleted)
		}
		seen := 0
		tab.Range("", func(Status) bool { seen++; return true })
		if kept := tab.order.tree.Len(); seen != alive || kept != alive {
			t.Fatalf("round %d: %d DNs of %d are seen, %d entries kept", r, seen, alive, kept)
		}
	}
}
