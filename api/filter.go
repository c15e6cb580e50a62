package api

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// filter is a checked tcpb.Filter; its zero value passes every DN.
type filter struct {
	owner, site, group, prefix string
	kind                       configpb.DNKind
	state                      tcpb.DNState
}

func newFilter(f *tcpb.Filter) filter {
	return filter{
		owner: f.GetOwner(), site: f.GetSite(), group: f.GetGroup(), prefix: f.GetPrefix(),
		kind: f.GetKind(), state: f.GetState(),
	}
}

// unknown is NOT_FOUND for a name that nothing has: who asks for what passes, and gets
// nothing, has mistyped it.
func (f *filter) unknown(view *fsm.View) error {
	nodes := view.Nodes()
	switch {
	case f.group != "" && view.Group(f.group) == nil:
		return status.Errorf(codes.NotFound, "group %.64q is not configured", f.group)
	case f.owner != "" && view.NodeByName(f.owner) == nil:
		return status.Errorf(codes.NotFound, "node %.64q is not in the roster", f.owner)
	case f.site != "" && !slices.ContainsFunc(nodes, func(n *configpb.Node) bool { return n.GetSite() == f.site }):
		return status.Errorf(codes.NotFound, "no node of the roster is at site %.64q", f.site)
	}
	return nil
}

// behind tells that neither number nor any greater one can pass.
func (f *filter) behind(number string) bool {
	return f.prefix != "" && number > f.prefix && !strings.HasPrefix(number, f.prefix)
}

// before is a text below all numbers that have the prefix, and above all others that
// come before them; "" without one.
func (f *filter) before() string {
	last := len(f.prefix) - 1
	if last < 0 || f.prefix[last] == 0 {
		return ""
	}
	return f.prefix[:last] + string([]byte{f.prefix[last] - 1, 0xff})
}

// passes tells whether the DN is in the answer of a list.
func (f *filter) passes(r row, n *nodeNames) bool {
	if !strings.HasPrefix(r.number, f.prefix) ||
		f.kind != configpb.DNKind_DN_KIND_UNSPECIFIED && r.kind() != f.kind ||
		f.group != "" && !slices.Contains(r.config.GetGroups(), f.group) {
		return false
	}
	if f.state != tcpb.DNState_DN_STATE_UNSPECIFIED {
		if s, _ := r.state(); dnview.StateOf(s) != f.state {
			return false
		}
	}
	return f.ownerPasses(r.status.Owner, n)
}

func (f *filter) ownerPasses(owner dn.Node, n *nodeNames) bool {
	if f.owner == "" && f.site == "" {
		return true
	}
	name, site := n.of(owner)
	return (f.owner == "" || name == f.owner) && (f.site == "" || site == f.site)
}
