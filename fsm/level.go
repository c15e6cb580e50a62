package fsm

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Features are what a program's state machine knows. What a log entry means is
// decided by the feature level of the state that it is applied to, which is
// written in the log, and never by the program: all nodes of a cluster, whatever
// their versions, make the same state of the same log. Level 1 is the state that
// says nothing of levels. The next one comes with the first change of what an entry
// means: Known rises, fields and mutations that are new go into Since, and all else
// asks View.Level.
type Features struct {
	// Known is the greatest level.
	Known uint32
	// Since is at which level each field came that is not of level 1. In a state of
	// a lower level it is dropped from every entry, as by a program without it.
	Since map[protoreflect.FullName]uint32
}

// Program returns the features of this program.
func Program() Features {
	since := map[protoreflect.FullName]uint32{}
	for _, field := range []protoreflect.FullName{
		"DN.feature", "DN.capacity", "DN.skills", "RoutingPoint.policy", "AgentGroup.policy", "Options.policy", "Options.agent_login",
		"DN.dual_registration", "Options.dual_registration", "Trunk.more_addresses", "Trunk.transport", "Trunk.no_options", "Options.trunk_options_s",
		"Options.voicemail_trunk", "RoutingPoint.tell_position", "RoutingPoint.prefer_same_media",
		"DN.dids", "DN.caller_id", "Trunk.inbound_numbers", "Trunk.outbound_numbers", "Trunk.caller_id", "Trunk.preferred_identity", "Trunk.user_phone",
		"Trunk.inbound_limit", "Trunk.outbound_limit", "Trunk.registration", "TrunkAuth.sha256_ha1",
	} {
		since["sipcluster.config.v1."+field] = 2
	}
	return Features{Known: 2, Since: since}
}

// Announced is what a node with these features writes into its own entry of the
// roster: nothing at level 1, which knows no such field.
func (f Features) Announced() uint32 {
	if f.Known == 1 {
		return 0
	}
	return f.Known
}

// ErrLevel says that a log entry, a snapshot or the store has a feature level that
// this program does not know.
var ErrLevel = errors.New("unknown feature level")

// ErrDiverged says that the state differs from that of a majority of the nodes at
// the same index.
var ErrDiverged = errors.New("the configuration here differs from that of a majority of the nodes")

// MaxLevel bounds a feature level.
const MaxLevel = 1 << 20

// Level is the feature level of the cluster, 1 or more.
func (v *View) Level() uint32 { return max(1, v.level) }

// KnownBy is the greatest feature level that a node of the roster knows.
func KnownBy(n *configpb.Node) uint32 { return max(1, n.GetFeatureLevel()) }

// CommonLevel is the greatest level that every node of the roster knows; 1 without a roster.
func (v *View) CommonLevel() uint32 {
	common := uint32(0)
	for _, n := range v.nodes {
		if known := KnownBy(n); common == 0 || known < common {
			common = known
		}
	}
	return max(1, common)
}

// unknown returns why an entry can't be applied by this program: it needs, or
// begins, a level that the program does not know.
func (f Features) unknown(cmd *peerpb.Command) error {
	need := cmd.GetLevel()
	for _, m := range cmd.GetMutations() {
		need = max(need, m.GetPutLevel())
	}
	return f.beyond(need)
}

func (f Features) beyond(level uint32) error {
	if level <= f.Known {
		return nil
	}
	return fmt.Errorf("%w %d, this program knows %d", ErrLevel, level, f.Known)
}

// as makes a message what a program of that level would read.
func (f Features) as(level uint32, m protoreflect.Message) {
	if level >= f.Known || len(f.Since) == 0 {
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Since[fd.FullName()] > level:
			m.Clear(fd)
		case fd.Message() == nil, fd.IsMap(): // no map has messages
		case fd.IsList():
			for i := range v.List().Len() {
				f.as(level, v.List().Get(i).Message())
			}
		default:
			f.as(level, v.Message())
		}
		return true
	})
}

// levelOf is the level by which a command is read.
func levelOf(v *View, cmd *peerpb.Command) uint32 {
	if cmd.GetNewEpoch() != "" {
		return max(1, cmd.GetLevel())
	}
	return v.Level()
}

// Needs returns why a command must not be appended at the View's level: a
// *Rejection. It has what only a higher level knows, or this program does not know.
func (f Features) Needs(v *View, cmd *peerpb.Command) error {
	level := levelOf(v, cmd)
	switch err := f.unknown(cmd); {
	case err != nil:
		return reject(ErrVersion, "%v", err)
	case cmd.GetLevel() > level:
		return tooHigh(v, cmd.GetLevel())
	}
	if level >= f.Known || len(f.Since) == 0 {
		return nil
	}
	read := proto.CloneOf(cmd)
	if f.as(level, read.ProtoReflect()); proto.Equal(read, cmd) {
		return nil
	}
	return tooHigh(v, level+1)
}

func tooHigh(v *View, need uint32) *Rejection {
	return reject(ErrVersion, "this needs feature level %d, the cluster has %d: upgrade all nodes", need, v.Level())
}

// putLevel raises the level. It is never lowered: the state may have what lower ones don't know.
func (d *draft) putLevel(m *configpb.Mutation, level uint32) *Rejection {
	present := d.view.Level()
	if r := checkRevision(m, "the feature level", uint64(present)); r != nil {
		return r
	}
	if level <= present {
		return reject(ErrConflict, "the feature level is %d already", present)
	}
	for _, n := range d.view.nodes {
		if KnownBy(n) < level {
			return reject(ErrConflict, "node %s knows feature level %d, not %d: upgrade it first", n.GetName(), KnownBy(n), level)
		}
	}
	d.view.level, d.changes.Nodes = level, true
	d.put(bucketMeta, keyLevel, encodeLevel(level))
	return nil
}
