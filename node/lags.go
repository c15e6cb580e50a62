package node

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/lag"
	"github.com/sipcluster/sipcluster/node/problem"
)

// lagWorth is how long a node is behind before status warns of it.
const lagWorth = 5 * time.Second

// applied is the index of the configuration that this node has.
func (n *Node) applied() uint64 { return n.machine.View().Index() }

// leader is whom this node knows to lead, "" for nobody.
func (n *Node) leader() dn.Node {
	if group := n.leads.Load(); group != nil {
		return dn.Node(group.Status().Leader)
	}
	return ""
}

// partOf is the part of a node in the configuration plane, as far as is known here.
func (n *Node) partOf(id dn.Node) api.Part {
	l, known := n.lags.Of(id)
	p := api.Part{Role: roleOf(n.leads.Load().Suffrages(), n.machine.View().Node(string(id)), l.Entries, known)}
	if known {
		p.Lag = &l
	}
	return p
}

// roleOf is whether a node votes in a group; one that is to have the log first is a learner.
func roleOf(group map[string]bool, node *configpb.Node, behind uint64, known bool) string {
	if group == nil || node == nil {
		return ""
	}
	votes, follows := group[node.GetId()]
	switch {
	case votes:
		return "voter"
	case follows && (node.GetNonVoter() || known && behind <= caughtUp):
		return "non-voter"
	}
	return "learner"
}

// caughtUp is how many entries a node that has the log may lack: one append.
const caughtUp = 256

// behind are the nodes that are heard and apply the configuration late.
func (n *Node) behind(report func(problem.Problem)) {
	heard := []dn.Node{dn.Node(n.id.ID)}
	for _, p := range n.mesh.Status() {
		if p.Heard {
			heard = append(heard, p.ID)
		}
	}
	for _, id := range heard {
		l, _ := n.lags.Of(id)
		late(n.nameOf(id), l, report)
	}
}

// late reports a node that is behind for too long.
func late(name string, l lag.Lag, report func(problem.Problem)) {
	if l.For < lagWorth {
		return
	}
	report(problem.Problem{
		Code: "configuration-lags", Subject: name, Since: time.Now().Add(-l.For).Truncate(time.Second), Text: fmt.Sprintf("node %s is %d entries of the configuration behind", name, l.Entries),
		Advice: "look at its disk, its load and its line to the leader",
	})
}

// lagSource tells how far each node is behind.
type lagSource struct{ n *Node }

// Samples implements api.Source.
func (s lagSource) Samples(emit func(api.Sample)) {
	for _, node := range s.n.machine.View().Nodes() {
		if l, known := s.n.lags.Of(dn.Node(node.GetId())); known {
			emit(api.Sample{Name: "configuration_lag_entries", Help: "Entries of the configuration that the node has not applied, as far as this one has heard.", Label: "peer", LabelValue: node.GetName(), Value: float64(l.Entries)})
			emit(api.Sample{Name: "configuration_lag_seconds", Help: "How long this node has known of the first entry that the node has not applied; 0: it has all.", Label: "peer", LabelValue: node.GetName(), Value: l.For.Seconds()})
		}
	}
}
