package check

import (
	"fmt"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// oneState is S25: whatever their versions, and whatever happened to them, nodes that
// have applied the same log have the same state.
func oneState(m *model) ([]Finding, int) {
	// Each recovery of a lost majority begins a log of its own.
	type point struct {
		recovery string
		index    uint64
	}
	first := map[point]*history.Status{}
	var out []Finding
	looked := 0
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		if s.Error != "" || s.Digest == "" {
			continue
		}
		at := point{s.Recovery, s.DigestIndex}
		other := first[at]
		if other == nil {
			first[at] = s
			continue
		}
		if other.Node != s.Node {
			looked++
		}
		if other.Digest != s.Digest {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s and %s had different states at the same index", other.Node, s.Node),
				Nodes: []string{other.Node, s.Node}, Events: []Event{digestEvent(other), digestEvent(s)},
			})
		}
	}
	return merge(out), looked
}

func digestEvent(s *history.Status) Event {
	return Event{At: s.Asked, To: s.Answered, Node: s.Node,
		Text: fmt.Sprintf("index %d of recovery %q, digest %s, level %d, its program knows %d", s.DigestIndex, s.Recovery, s.Digest, s.Level, s.Known)}
}
