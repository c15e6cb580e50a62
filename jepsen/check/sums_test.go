package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestSumsOfTables(t *testing.T) {
	with := func(differs string) *run {
		r := newRun()
		r.h.Sums = append(r.h.Sums, history.Sums{Asked: 5, Answered: 6, Node: "n1", Differs: differs})
		return r
	}
	expect(t, []sample{
		{"as the table", with(""), nil},
		{"not as the table", with("12 DNs, and by the table 13 DNs"), []ID{"S30"}},
	})
}
