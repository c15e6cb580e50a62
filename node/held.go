package node

import "github.com/sipcluster/sipcluster/api"

// heldSource gives to /metrics what the parts of the node hold for what goes on
// at present: after a load all of it is what it was before.
type heldSource struct{ n *Node }

// Samples implements api.Source.
func (s heldSource) Samples(emit func(api.Sample)) {
	n := s.n
	for _, part := range []interface{ Held() map[string]int }{n.sip, n.control, n.routing, n.agents, n.making, n.calls, n.table, n.links, n.mesh} {
		for what, count := range part.Held() {
			emit(api.Sample{Name: "held", Help: "Entries held for what is in progress, by kind.", Label: "what", LabelValue: what, Value: float64(count)})
		}
	}
}
