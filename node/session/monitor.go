package session

import (
	"iter"
	"slices"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// monitor is what MonitorAll asked for.
type monitor struct {
	kinds        map[tlibpb.EventKind]bool // nil is all
	group, owner string
	// who monitors: nobody hears of what is not in his scope.
	who *access.Who
	// told are the DNs that one with a bound was told of: he hears of their end too.
	told map[dn.Number]struct{}
	// queued are the calls that one with a group was told of.
	queued map[call.ID]struct{}
	// ref waits for the end of the snapshot while pending.
	ref     uint64
	pending bool
}

func newMonitor(f *tlibpb.MonitorFilter, who *access.Who) (*monitor, *refusal.Error) {
	m := &monitor{group: f.GetGroup(), owner: f.GetOwner(), who: who, told: map[dn.Number]struct{}{}, queued: map[call.ID]struct{}{}}
	for _, k := range f.GetKinds() {
		if _, known := tlibpb.EventKind_name[int32(k)]; !known || k == tlibpb.EventKind_EVENT_KIND_UNSPECIFIED {
			return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "filter.kinds: unknown kind of event %d", k)
		}
		if m.kinds == nil {
			m.kinds = map[tlibpb.EventKind]bool{}
		}
		m.kinds[k] = true
	}
	return m, nil
}

// wants tells whether events of a kind pass.
func (m *monitor) wants(k tlibpb.EventKind) bool { return m != nil && (m.kinds == nil || m.kinds[k]) }

// names tells whether events of a kind are asked for by name.
func (m *monitor) names(k tlibpb.EventKind) bool { return m != nil && m.kinds[k] }

// dns are the configured DNs behind a number that may be members.
func (m *monitor) dns(view *fsm.View, after dn.Number) iter.Seq[*configpb.DN] {
	if m.group != "" {
		return view.Members(m.group, string(after))
	}
	return view.DNs(string(after))
}

// member tells whether the DN is in the group that the filter names, and in the client's
// scope. A DN whose configuration is not known here, not yet or no more, passes where
// there is no bound; where there is one, when it was told of before.
func (m *monitor) member(n dn.Number, config *configpb.DN) bool {
	if m.who.Bounded() {
		_, was := m.told[n]
		switch {
		case config == nil:
			return was
		case !m.who.Hears(config):
			return false
		}
		m.told[n] = struct{}{}
	}
	return m.group == "" || config == nil || slices.Contains(config.GetGroups(), m.group)
}
