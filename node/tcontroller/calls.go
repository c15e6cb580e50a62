package tcontroller

import (
	"context"
	"errors"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/pace"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// maxCallBytes is about how large a message about calls grows: a DN's record
// waits behind one at most.
const maxCallBytes = 32 << 10

// callsEvery is how long what happens to calls is gathered while much happens.
const callsEvery = 20 * time.Millisecond

// callRun says on the link what happens to this node's calls, until the context
// or the link ends. Beside the records, on a goroutine of its own: a follower
// that is slow holds up this one, never who writes. The hello goes first: a
// follower ends a link that opens with anything else.
func (l *publisherLink) callRun(ctx context.Context) error {
	select {
	case <-l.greeted:
	case <-ctx.Done():
		return ctx.Err()
	}
	var items []call.Item
	b := newEventBatch()
	p := pace.New(callsEvery)
	for {
		var err error
		if items, err = l.calls.Next(ctx, items[:0]); err != nil {
			return err
		}
		for rest := items; len(rest) > 0; {
			var m *peerpb.FollowResponse
			m, rest = b.message(rest)
			if err := l.send(m); err != nil {
				return err
			}
		}
		happened := items[len(items)-1].Kind == feed.Change
		clear(items)
		l.sentCalls.Store(l.calls.Seq())
		if !happened {
			continue // the rows of a snapshot wait for nobody
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
}

// message puts the first items into one and returns the others. It lasts until the next.
func (b *eventBatch) message(items []call.Item) (*peerpb.FollowResponse, []call.Item) {
	switch it := &items[0]; it.Kind {
	case feed.Change:
		return b.fill(items)
	case feed.Started:
		return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_CallsHello{CallsHello: &peerpb.CallsHello{Resumed: it.Resumed}}}, items[1:]
	case feed.EndOfSnapshot:
		return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_EndOfCallSync{EndOfCallSync: &peerpb.EndOfCallSync{Seq: it.Seq}}}, items[1:]
	case feed.Row:
		s := &peerpb.CallSnapshot{}
		for size := 0; len(items) > 0 && items[0].Kind == feed.Row && size < maxCallBytes; items = items[1:] {
			c := callToProto(items[0].Call)
			s.Calls, size = append(s.Calls, c), size+infoSize(c.GetInfo())+64*len(c.GetParties())
		}
		return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_CallSnapshot{CallSnapshot: s}}, items
	default: // a LegRow
		s := &peerpb.CallSnapshot{}
		for ; len(items) > 0 && items[0].Kind == call.LegRow && 64*len(s.Carried) < maxCallBytes; items = items[1:] {
			x := items[0].Leg
			s.Carried = append(s.Carried, &peerpb.CarriedCall{Call: string(x.Call), Of: string(x.Of), Dn: string(x.DN), Over: x.Over})
		}
		return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_CallSnapshot{CallSnapshot: s}}, items
	}
}

// eventBatch is one message of events, used again and again as a batch is.
type eventBatch struct {
	msg    peerpb.FollowResponse
	body   peerpb.CallEvents
	events []*sentEvent
}

type sentEvent struct {
	peerpb.CallEvent
	info peerpb.CallInfo
}

func newEventBatch() *eventBatch {
	b := &eventBatch{}
	b.msg.Body = &peerpb.FollowResponse_CallEvents{CallEvents: &b.body}
	return b
}

// fill is message for events.
func (b *eventBatch) fill(items []call.Item) (*peerpb.FollowResponse, []call.Item) {
	b.body.Events = b.body.Events[:0]
	for size := 0; len(items) > 0 && items[0].Kind == feed.Change && size < maxCallBytes; items = items[1:] {
		n := len(b.body.Events)
		if n == len(b.events) {
			b.events = append(b.events, &sentEvent{})
		}
		e := b.events[n]
		e.set(items[0].Event)
		b.body.Events, b.body.Seq, size = append(b.body.Events, &e.CallEvent), items[0].Seq, size+infoSize(e.Info)+dataSize(e.Data)+64
	}
	return &b.msg, items
}

// infoSize is about how long it is on the wire.
func infoSize(i *peerpb.CallInfo) int {
	return 64 + dataSize(i.GetUserData())
}

func dataSize(data map[string]string) (n int) {
	for k, v := range data {
		n += 8 + len(k) + len(v)
	}
	return n
}

// callsHello begins to take the peer's calls.
func (l *followerLink) callsHello(h *peerpb.CallsHello) (err error) {
	if l.copy == nil {
		return errors.New("the peer spoke of calls before its hello")
	}
	l.calls, err = l.f.cfg.Calls.Sync(l.f.id, l.incarnation, h.GetResumed())
	return err
}

// call takes a message about calls.
func (l *followerLink) call(m *peerpb.FollowResponse) error {
	if l.calls == nil {
		return errors.New("the peer spoke of calls without a hello for them")
	}
	var refused int
	var err error
	switch b := m.GetBody().(type) {
	case *peerpb.FollowResponse_CallSnapshot:
		calls := make([]*call.Call, 0, len(b.CallSnapshot.GetCalls()))
		for _, c := range b.CallSnapshot.GetCalls() {
			calls = append(calls, callFromProto(c))
		}
		if refused, err = l.calls.Snapshot(calls); err != nil {
			break
		}
		var more int
		more, err = l.calls.Carrying(carriedFromProto(b.CallSnapshot.GetCarried()))
		refused += more
	case *peerpb.FollowResponse_EndOfCallSync:
		err = l.calls.Synced(b.EndOfCallSync.GetSeq())
	case *peerpb.FollowResponse_CallEvents:
		events := make([]*call.Event, 0, len(b.CallEvents.GetEvents()))
		for _, e := range b.CallEvents.GetEvents() {
			events = append(events, eventFromProto(e))
		}
		refused, err = l.calls.Apply(events, b.CallEvents.GetSeq())
	}
	if refused > 0 {
		l.f.log.Warn("peer sent invalid call events; ignored", "count", refused)
	}
	return err
}

// current tells whether both copies are still fed by this link.
func (l *followerLink) current() error {
	if err := l.copy.Current(); err != nil || l.calls == nil {
		return err
	}
	return l.calls.Current()
}

func infoToProto(p *peerpb.CallInfo, i *call.Info) *peerpb.CallInfo {
	p.Caller, p.Type, p.Ani, p.Dnis, p.Began, p.UserData = string(i.Caller), tlibpb.CallType(i.Type), i.ANI, i.DNIS, i.Began, i.UserData
	p.LastQueue, p.Transfer = string(i.LastQueue), nil
	if x := i.Transfer; x != nil {
		p.Transfer = &peerpb.CallTransfer{Conn: string(x.Conn), From: string(x.From), Previous: string(x.Previous), By: string(x.By)}
	}
	return p
}

func callToProto(c *call.Call) *peerpb.Call {
	p := &peerpb.Call{Id: string(c.ID), Info: infoToProto(&peerpb.CallInfo{}, c.Info), Parties: make([]*peerpb.CallParty, 0, len(c.Parties))}
	for i := range c.Parties {
		x := &c.Parties[i]
		p.Parties = append(p.Parties, &peerpb.CallParty{
			Dn: string(x.DN), Role: peerpb.CallRole(x.Role + 1), State: peerpb.CallState(x.State + 1), Other: x.Other, Since: x.Since, HeldSince: x.HeldSince, At: string(x.At),
		})
	}
	if q := c.Queue; q != nil {
		p.Queue = &peerpb.CallQueue{Dn: string(q.RP), Group: q.Group, Since: q.Since}
	}
	return p
}

func (p *sentEvent) set(e *call.Event) {
	p.Kind, p.Role, p.Cause = peerpb.CallEventKind(e.Kind+1), peerpb.CallRole(e.Role+1), uint32(max(0, e.Cause))
	p.Call, p.ThisDn, p.Other, p.Time, p.Of = string(e.Call), string(e.ThisDN), e.OtherDN, e.Time, string(e.Of)
	p.Data, p.Why = e.Data, e.Why
	if p.Info, p.info.UserData = nil, nil; e.Fresh {
		p.Info = infoToProto(&p.info, e.Info)
	}
}

// What follows makes what it does not know something that call.Copy refuses.

// enum is the Go value of one that counts from 1 on the wire.
func enum(v int32) uint8 {
	if v < 1 || v > invalid {
		return invalid
	}
	return uint8(v - 1)
}

func infoFromProto(p *peerpb.CallInfo) *call.Info {
	if p == nil {
		return nil
	}
	i := &call.Info{
		Caller: dn.Number(p.GetCaller()), Type: call.Type(min(uint32(p.GetType()), invalid)), ANI: p.GetAni(), DNIS: p.GetDnis(),
		Began: p.GetBegan(), UserData: p.GetUserData(), LastQueue: dn.Number(p.GetLastQueue()),
	}
	if x := p.GetTransfer(); x != nil {
		i.Transfer = &call.Transfer{Conn: call.ID(x.GetConn()), From: call.ID(x.GetFrom()), Previous: call.ID(x.GetPrevious()), By: dn.Number(x.GetBy())}
	}
	return i
}

func callFromProto(p *peerpb.Call) *call.Call {
	c := &call.Call{ID: call.ID(p.GetId()), Info: infoFromProto(p.GetInfo()), Queue: queueFromProto(p.GetQueue())}
	for _, x := range p.GetParties()[:min(len(p.GetParties()), call.MaxParties+1)] {
		c.Parties = append(c.Parties, call.Party{
			DN: dn.Number(x.GetDn()), Role: call.Role(enum(int32(x.GetRole()))), State: call.State(enum(int32(x.GetState()))), Other: x.GetOther(), Since: x.GetSince(),
			HeldSince: x.GetHeldSince(), At: dn.Node(x.GetAt()),
		})
	}
	return c
}

func queueFromProto(q *peerpb.CallQueue) *call.Queue {
	if q == nil {
		return nil
	}
	return &call.Queue{RP: dn.Number(q.GetDn()), Group: q.GetGroup(), Since: q.GetSince()}
}

func carriedFromProto(list []*peerpb.CarriedCall) []call.Carried {
	out := make([]call.Carried, 0, len(list))
	for _, p := range list {
		out = append(out, call.Carried{Call: call.ID(p.GetCall()), Of: dn.Node(p.GetOf()), DN: dn.Number(p.GetDn()), Over: p.GetOver()})
	}
	return out
}

func eventFromProto(p *peerpb.CallEvent) *call.Event {
	e := &call.Event{
		Kind: call.Kind(enum(int32(p.GetKind()))), Call: call.ID(p.GetCall()), ThisDN: dn.Number(p.GetThisDn()),
		Role: call.Role(enum(int32(p.GetRole()))), OtherDN: p.GetOther(), Time: p.GetTime(), Cause: int(min(p.GetCause(), 1000)),
		Info: infoFromProto(p.GetInfo()), Of: dn.Node(p.GetOf()), Data: p.GetData(), Why: p.GetWhy(),
	}
	if e.Cause == call.NodeLost {
		e.Cause = 1000 // only who lost a node may say so
	}
	return e
}
