package check

import (
	"fmt"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// sumsOfTables is S30: whatever was cut off, lost or moved before, the statistics of agents
// that a node gives are the sums of what its own table says at that moment.
func sumsOfTables(m *model) (out []Finding, looked int) {
	for i := range m.h.Sums {
		s := &m.h.Sums[i]
		looked++
		if s.Differs != "" {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s counts its agents as its table does not: %s", s.Node, s.Differs),
				Nodes: []string{s.Node}, Events: []Event{sumsEvent(s)},
			})
		}
	}
	return merge(out), looked
}

func sumsEvent(s *history.Sums) Event {
	return Event{At: s.Asked, To: s.Answered, Node: s.Node, Text: "statistics: " + s.Differs}
}
