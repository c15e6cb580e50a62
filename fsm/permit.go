package fsm

import (
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// permit refuses a command that its actor may not give. What counts is the token
// as it is here, when the command is applied: what the entry says of its role is
// for people. The leader gives every command an actor; one that has none begins the
// cluster, or is not a group's.
func permit(v *View, cmd *peerpb.Command) *Rejection {
	if v.security == nil || cmd.GetNewEpoch() != "" || cmd.GetActor() == nil {
		return nil
	}
	may := func(m *configpb.Mutation) bool { return nodeMay(cmd.GetActor().GetNode(), m) }
	who := "a node"
	if id := cmd.GetActor().GetToken(); id != "" {
		t := v.Token(id)
		if !Valid(t, cmd.GetTimeMs()) {
			return reject(ErrDenied, "token %.20s is revoked or has expired", id)
		}
		may = func(m *configpb.Mutation) bool { return roleMay(v, t.GetRole(), m) }
		who = "role " + configpb.RoleName(t.GetRole())
	}
	for i, m := range cmd.GetMutations() {
		if !may(m) {
			return reject(ErrDenied, "%s may not %s", who, Describe(m)).at(i + 1)
		}
	}
	return nil
}

// Permits returns nil when a role may make the change: a *Rejection otherwise.
func (v *View) Permits(r configpb.Role, m *configpb.Mutation) error {
	if roleMay(v, r, m) {
		return nil
	}
	return reject(ErrDenied, "role %s may not %s", configpb.RoleName(r), Describe(m))
}

// roleMay is which changes a role makes.
func roleMay(v *View, r configpb.Role, m *configpb.Mutation) bool {
	switch r {
	case configpb.Role_ROLE_ADMIN:
		return true
	case configpb.Role_ROLE_CONFIG:
		switch m.GetOp().(type) {
		case *configpb.Mutation_PutDn, *configpb.Mutation_DeleteDn, *configpb.Mutation_PutGroup, *configpb.Mutation_DeleteGroup:
			return true
		}
	case configpb.Role_ROLE_OPERATOR:
		return drains(v, m)
	}
	return false
}

// drains tells whether a mutation lets a node drain, or take part again, and no more.
func drains(v *View, m *configpb.Mutation) bool {
	present := v.Node(m.GetPutNode().GetId())
	m, r := v.whole(m)
	if present == nil || r != nil {
		return false
	}
	n := proto.CloneOf(m.GetPutNode())
	n.Draining, n.DrainUntilMs, n.Revision = present.GetDraining(), present.GetDrainUntilMs(), present.GetRevision()
	return proto.Equal(n, present)
}

// nodeMay is which changes a node makes by itself: its own entry of the roster, and
// as the leader what belongs to joining and to the keys that the nodes share.
func nodeMay(node string, m *configpb.Mutation) bool {
	switch m.GetOp().(type) {
	case *configpb.Mutation_Join, *configpb.Mutation_PutSecurity, *configpb.Mutation_PutLevel:
		return node != ""
	}
	return OwnEntry(node, m)
}

// speaker is the node whose own command it is, "" for one that a client gave.
func speaker(cmd *peerpb.Command) string {
	if a := cmd.GetActor(); a.GetToken() == "" {
		return a.GetNode()
	}
	return ""
}

// OwnEntry tells whether a mutation puts the node's own entry of the roster.
func OwnEntry(node string, m *configpb.Mutation) bool {
	return node != "" && m.GetPutNode().GetId() == node
}
