package session

import (
	"context"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// monitor is what MonitorAll asked for.
type monitor struct {
	kinds        map[tlibpb.EventKind]bool // nil is all
	group, owner string
	// ref waits for the end of the snapshot while pending.
	ref     uint64
	pending bool
}

func newMonitor(f *tlibpb.MonitorFilter) (*monitor, *refusal.Error) {
	m := &monitor{group: f.GetGroup(), owner: f.GetOwner()}
	for _, k := range f.GetKinds() {
		if _, known := tlibpb.EventKind_name[int32(k)]; !known || k == tlibpb.EventKind_EVENT_KIND_UNSPECIFIED {
			return nil, refusal.New(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "filter.kinds: %d is no kind of event", k)
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

// member tells whether the DN is in the group that the filter names. A DN whose
// configuration is not known here, not yet or no more, passes.
func (m *monitor) member(config *configpb.DN) bool {
	return m.group == "" || config == nil || slices.Contains(config.GetGroups(), m.group)
}

// take turns what the table says into events.
func (s *session) take(ctx context.Context, b batch[dn.Item]) error {
	view := s.c.view()
	for i := range b.items {
		it := &b.items[i]
		switch it.Kind {
		case dn.Started:
			if s.begins(ctx, it.Resumed) {
				return nil
			}
			if s.snapshot {
				clear(s.inside)
			} else if s.monitor != nil && s.monitor.pending {
				s.endMonitorAll(it.Seq, true)
			}
		case dn.EndOfSnapshot:
			if err := s.endSnapshot(view, b.seq); err != nil {
				return err
			}
		case dn.Row:
			if s.judge(it) && s.wanted(view, it.Status.Number, tlibpb.EventKind_EVENT_KIND_DN) {
				s.out = append(s.out, s.rowEvent(view, &it.Status))
			}
		case dn.Change:
			s.change(view, it)
		}
	}
	s.sent.dn = b.seq
	s.src.back <- b.items
	return nil
}

func (s *session) change(view *fsm.View, it *dn.Item) {
	n := it.Status.Number
	if since, mine := s.dns[n]; mine && it.Seq <= since.dn || !s.judge(it) {
		return
	}
	switch {
	case it.What == dn.StateChange && s.wanted(view, n, tlibpb.EventKind_EVENT_KIND_DN):
		e := s.stateEvent(&it.Status)
		e.Seq = it.Seq
		s.out = append(s.out, e)
	case it.What == dn.AgentChange && s.wanted(view, n, tlibpb.EventKind_EVENT_KIND_AGENT):
		s.tellAgent(*it)
	}
}

// wanted tells whether the client hears of such an event of the DN.
func (s *session) wanted(view *fsm.View, n dn.Number, k tlibpb.EventKind) bool {
	_, mine := s.dns[n]
	return mine || s.monitor.wants(k) && s.monitor.member(view.DN(string(n)))
}

// judge applies what depends on the owner: at the default port, or by the
// monitor's filter, a DN of another node is not there; one that leaves is told
// once more. It may change the item.
func (s *session) judge(it *dn.Item) bool {
	st := &it.Status
	_, mine := s.dns[st.Number]
	own := s.ownOnly || s.port == DefaultPort
	byOwner := !mine && s.monitor != nil && s.monitor.owner != ""
	if !own && !byOwner || mine && s.port == TCport {
		return true
	}
	is := !own || st.Keeper == s.c.table.Self()
	if byOwner {
		name, _ := s.names.of(st.Owner)
		is = is && name == s.monitor.owner
	}
	_, was := s.inside[st.Number]
	switch {
	case is:
		s.inside[st.Number] = struct{}{}
	case was:
		delete(s.inside, st.Number)
		if own {
			st.State, st.Reason, st.Owner, it.What = dn.OOS, dn.OwnerMoved, "", dn.StateChange
		}
	}
	return is || was
}

// endSnapshot adds the DNs that nobody ever registered, some at a time, and says
// that it is whole.
func (s *session) endSnapshot(view *fsm.View, seq uint64) error {
	if s.monitor.wants(tlibpb.EventKind_EVENT_KIND_DN) && !s.ownOnly && s.monitor.owner == "" {
		for config := range view.DNs("") {
			k := config.GetKind()
			if k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN || !s.monitor.member(config) {
				continue
			}
			if st, known := s.c.table.Get(dn.Number(config.GetNumber())); !known {
				s.out = append(s.out, s.rowEvent(view, &st))
			}
			if len(s.out) >= batchSize {
				if err := s.flush(); err != nil {
					return err
				}
			}
		}
	}
	s.snapshot, s.phase = false, going
	s.endMonitorAll(seq, false)
	return nil
}

// endMonitorAll answers MonitorAll.
func (s *session) endMonitorAll(seq uint64, resumed bool) {
	e := &tlibpb.Event{Message: tlibpb.Message_END_OF_SNAPSHOT, Seq: seq, Time: now(), Resumed: resumed}
	if s.monitor != nil {
		e.ReferenceId = s.monitor.ref
		s.monitor.ref, s.monitor.pending = 0, false
	}
	s.out = append(s.out, e)
}
