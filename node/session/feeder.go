package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// feeder gives a session's client what it hears without asking: what the tables
// say of DNs, agents and calls becomes events in the outbox.
type feeder struct {
	c        *Controller
	out      *outbox
	events   *events
	audience *audience
	hearing  *hearing
	asked    *asked
	routes   routes
	// reserved are the reservations of registered DNs that the client was told of.
	reserved map[dn.Number][]told
	// undisturbed are the DNs at which the client knows do not disturb to be set.
	undisturbed map[dn.Number]struct{}
	// holder is the session's own name there.
	holder string
	// What is to be said of calls that waited before the session listened.
	waiting waitingRows
}

func newFeeder(s *session) *feeder {
	ev := &events{view: s.c.view}
	a := &audience{self: s.c.table.Self(), port: s.port, events: ev, dns: map[dn.Number]place{}, inside: map[dn.Number]struct{}{}}
	return &feeder{c: s.c, out: s.out, events: ev, audience: a, hearing: &hearing{c: s.c, audience: a}, asked: s.asked, routes: s.routes, undisturbed: map[dn.Number]struct{}{}}
}

// listen has the session hear of everything from these places on. Answers of
// routes may pass unheard.
func (f *feeder) listen(ctx context.Context, from feed.Cursor) {
	for no, ref := range f.routes {
		delete(f.routes, no)
		f.out.refuse(ref, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT, "what became of the call's route is not known: this session began anew"))
	}
	f.hearing.begin(ctx, from)
}

// take turns what the table says into events.
func (f *feeder) take(ctx context.Context, b batch[dn.Item]) error {
	view := f.c.view()
	for i := range b.items {
		it := &b.items[i]
		switch it.Kind {
		case feed.Started:
			if f.hearing.dnsBegin(it.Resumed) {
				f.listen(ctx, feed.Cursor{})
				return nil
			}
			if f.hearing.snapshot {
				f.audience.beginAnew()
			} else if f.audience.monitor != nil && f.audience.monitor.pending {
				f.endMonitorAll(it.Seq, true)
			}
		case feed.EndOfSnapshot:
			if err := f.endSnapshot(view, b.seq); err != nil {
				return err
			}
		case feed.Row:
			if f.audience.judge(it) && f.audience.wanted(view, it.Status.Number, tlibpb.EventKind_EVENT_KIND_DN) {
				f.out.add(f.events.row(view, &it.Status))
			}
		case feed.Change:
			f.change(view, it)
		}
	}
	f.hearing.sent.dn = b.seq
	f.hearing.dns.back <- b.items
	return nil
}

func (f *feeder) change(view *fsm.View, it *dn.Item) {
	n := it.Status.Number
	since, mine := f.audience.dns[n]
	if mine && it.Seq <= since.dn || !f.audience.judge(it) {
		return
	}
	switch {
	case it.What == dn.UseChange:
		if f.audience.wanted(view, n, tlibpb.EventKind_EVENT_KIND_AGENT) {
			f.tellDND(it)
		}
		f.tellUse(view, it, mine)
	case it.What == dn.OwnerChange && f.audience.wanted(view, n, tlibpb.EventKind_EVENT_KIND_DN):
		e := f.events.ownerChange(&it.Status)
		e.Seq = it.Seq
		f.out.add(e)
	case it.What == dn.StateChange && f.audience.wanted(view, n, tlibpb.EventKind_EVENT_KIND_DN):
		e := f.events.state(&it.Status, nil)
		e.Seq = it.Seq
		f.out.add(e)
	case it.What == dn.AgentChange && f.audience.wanted(view, n, tlibpb.EventKind_EVENT_KIND_AGENT):
		f.tellAgent(it)
	}
}

// tellUse tells whether a DN is busy or reserved, and who has it registered also of the
// reservation.
func (f *feeder) tellUse(view *fsm.View, it *dn.Item, mine bool) {
	if mine {
		f.tellReservation(it)
	}
	m := f.audience.monitor
	if m.names(tlibpb.EventKind_EVENT_KIND_USE) && m.member(it.Status.Number, view.DN(string(it.Status.Number))) {
		e := f.events.use(view, &it.Status)
		e.Seq = it.Seq
		f.out.add(e)
	}
}

// tellAgent tells a change of an agent, unless an answer does.
func (f *feeder) tellAgent(it *dn.Item) {
	if f.asked.news(it) {
		e := f.events.agent(&it.Status)
		e.Seq = it.Seq
		f.out.add(e)
	}
}

// endSnapshot adds the DNs that nobody ever registered, some at a time, and says
// that it is whole.
func (f *feeder) endSnapshot(view *fsm.View, seq uint64) error {
	if f.audience.monitor.wants(tlibpb.EventKind_EVENT_KIND_DN) && !f.audience.ownOnly && f.audience.monitor.owner == "" {
		for config := range f.audience.monitor.dns(view, "") {
			k := config.GetKind()
			if k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN || !f.audience.monitor.member(dn.Number(config.GetNumber()), config) {
				continue
			}
			if st, known := f.c.table.Get(dn.Number(config.GetNumber())); !known {
				f.out.add(f.events.row(view, &st))
			}
			if len(f.out.events) >= batchSize {
				if err := f.out.flush(f.hearing.told()); err != nil {
					return err
				}
			}
		}
	}
	f.hearing.snapshot, f.hearing.phase = false, going
	f.endMonitorAll(seq, false)
	return nil
}

// endMonitorAll answers MonitorAll.
func (f *feeder) endMonitorAll(seq uint64, resumed bool) {
	e := answer(0, "", &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{Resumed: resumed}})
	e.Seq = seq
	if f.audience.monitor != nil {
		e.ReferenceId = f.audience.monitor.ref
		f.audience.monitor.ref, f.audience.monitor.pending = 0, false
	}
	f.out.add(e)
}
