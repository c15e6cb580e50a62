package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// historyTime is how long another node may take for its part.
const historyTime = 2 * time.Second

// ListEvents returns what this node and all others have told their clients, each thing once.
func (d *Diagnosis) ListEvents(ctx context.Context, req *tcpb.ListEventsRequest) (*tcpb.ListEventsResponse, error) {
	leave, err := d.remembering.take(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	view, self := d.cfg.View(), d.cfg.Table.Self()
	if err := checkEvents(view, req); err != nil {
		return nil, err
	}
	token := pageOf(req)
	after, err := token.readText(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	began, page := d.now(), newEventsPage(after)
	nodes := slices.DeleteFunc(others(view, self), func(n *configpb.Node) bool { return req.GetNode() != "" && n.GetName() != req.GetNode() })
	parts := d.parts(ctx, view, nodes, page, req)
	ids, index := idsOf(self, nodes), after.GetAudit()
	var writes []*tcpb.HistoryEvent
	if d.asked(req, self) && mayRead(ctx) {
		writes, index = d.writes(view, req, 0, index)
	}
	page.next.Audit = index
	var cursor []byte
	if after == nil && req.GetUntil() == nil && !req.GetEachNode() {
		cursor = cursorOf(req).bytes(followFrom(req, ids, parts, began, max(view.Index()+1, index)-1))
	}
	r := page.answer(ids, parts, writes, limitOf(req))
	r.Cursor = cursor
	if page.next != nil {
		r.NextPageToken = token.text(page.next)
	}
	return r, nil
}

// parts are what all nodes tell for a page: this node's, which tells for those who can't, and
// that of each other one.
func (d *Diagnosis) parts(ctx context.Context, view *fsm.View, nodes []*configpb.Node, page *eventsPage, req *tcpb.ListEventsRequest) []*tcpb.EventsPart {
	self := d.cfg.Table.Self()
	parts := askEach(ctx, nodes, historyTime, func(ctx context.Context, n *configpb.Node) *tcpb.EventsPart {
		return d.askEvents(ctx, n, page.ask(dn.Node(n.GetId()), req))
	})
	began := make(map[dn.Node]int64, len(parts))
	for i, p := range parts {
		began[dn.Node(nodes[i].GetId())] = page.began(dn.Node(nodes[i].GetId()), p)
	}
	own := d.events(&asking{HistoryRequest: page.ask(self, req), tells: speaks(self, req.GetNode(), view, began)})
	return append([]*tcpb.EventsPart{own}, parts...)
}

// mayRead tells whether a client is told who changed the configuration.
func mayRead(ctx context.Context) bool {
	who := access.From(ctx)
	return who == nil || who.Role == configpb.Role_ROLE_ADMIN
}

// beganAt is since when a node tells its own, by this node's clock: what was before, others
// tell, all of one that gives no answer.
func beganAt(p *tcpb.EventsPart) int64 {
	if p.GetError() != "" || p.GetBegan() == nil {
		return math.MaxInt64
	}
	return nanoseconds(p.GetBegan().AsTime().Add(-p.GetAhead().AsDuration()))
}

// speaks tells whose word of what time this node tells: its own, and that of those who don't
// tell it, because they are no longer in the roster, or have begun later. Only that of the
// node with a name, "" for all.
func speaks(self dn.Node, name string, view *fsm.View, began map[dn.Node]int64) func(by dn.Node, at int64) bool {
	return func(by dn.Node, at int64) bool {
		n := view.Node(string(by))
		if name != "" && n.GetName() != name {
			return false
		}
		since, asked := began[by]
		return by == self || n == nil || asked && at < since
	}
}

// asked tells whether a request is about what a node tells.
func (d *Diagnosis) asked(req *tcpb.ListEventsRequest, n dn.Node) bool {
	return req.GetNode() == "" || req.GetNode() == d.cfg.View().Node(string(n)).GetName()
}

func checkEvents(view *fsm.View, req *tcpb.ListEventsRequest) error {
	for _, t := range []*timestamppb.Timestamp{req.GetSince(), req.GetUntil()} {
		if t != nil && t.CheckValid() != nil {
			return status.Error(codes.InvalidArgument, "since, until: not a time")
		}
	}
	switch n, g, name, id := req.GetDn(), req.GetGroup(), req.GetNode(), req.GetConnId(); {
	case n != "" && !dn.ValidNumber(n):
		return status.Errorf(codes.InvalidArgument, "dn %.64q: not a number of a DN", n)
	case g != "" && view.Group(g) == nil:
		return status.Errorf(codes.NotFound, "group %.64q is not configured", g)
	case name != "" && view.NodeByName(name) == nil:
		return status.Errorf(codes.NotFound, "node %.64q is not in the roster", name)
	case id != "" && !call.ID(id).Valid():
		return status.Errorf(codes.InvalidArgument, "conn_id %.32q: want 16 hexadecimal digits in lower case", id)
	}
	return nil
}

func limitOf(req *tcpb.ListEventsRequest) int {
	return min(cmp.Or(int(req.GetLimit()), defaultPage), maxPage)
}

// askEvents asks another node for its part.
func (d *Diagnosis) askEvents(ctx context.Context, n *configpb.Node, req *peerpb.HistoryRequest) *tcpb.EventsPart {
	began := time.Now()
	p, ahead, err := d.cfg.AskHistory(ctx, dn.Node(n.GetId()), req)
	took := time.Since(began)
	if err != nil {
		p = &tcpb.EventsPart{Error: status.Convert(err).Message()}
	} else {
		p.Ahead = durationpb.New(ahead)
		for _, e := range p.GetEvents() {
			e.Time = timestamppb.New(e.GetTime().AsTime().Add(-ahead))
		}
	}
	p.Node, p.Site, p.Took = n.GetName(), n.GetSite(), durationpb.New(took)
	return p
}

// OwnEvents is what this node tells of itself to another one that asks, whose clock is so
// much behind.
func (d *Diagnosis) OwnEvents(req *peerpb.HistoryRequest, ahead time.Duration) *tcpb.EventsPart {
	self := d.cfg.Table.Self()
	return d.events(&asking{HistoryRequest: req, ahead: ahead, tells: func(by dn.Node, _ int64) bool { return by == self }})
}

// asking is how a node is asked for its part.
type asking struct {
	*peerpb.HistoryRequest
	// ahead is how much this node's clock is ahead of that of the times asked for.
	ahead time.Duration
	// tells whether the word of a node is told here.
	tells func(by dn.Node, at int64) bool
}

// events are the last ones that this node knows, by its clock, or the first ones.
func (d *Diagnosis) events(a *asking) *tcpb.EventsPart {
	view, store := d.cfg.View(), d.cfg.History
	self := view.Node(string(d.cfg.Table.Self()))
	part := &tcpb.EventsPart{Node: self.GetName(), Site: self.GetSite()}
	q := d.query(view, a)
	var events []history.Event
	var span history.Span
	if a.GetOldestFirst() {
		events, span, part.Cut = firstEvents(store, q, a.GetQuery())
	} else {
		events, span, part.Cut = lastEvents(store, q, a.GetQuery())
	}
	for i := range events {
		part.Events = append(part.Events, eventOf(view, &events[i]))
	}
	since, began := int64(0), int64(math.MaxInt64)
	for k, h := range store.Held() {
		began = min(began, h.Since)
		if !q.Without[k] {
			since = max(since, h.Since)
			part.Lost = part.Lost || a.GetFrom() != nil && q.Begin[k] < span.First[k]
		}
	}
	part.Since, part.Began = moment(since), moment(began)
	part.End = &tcpb.EventsPosition{Store: store.ID(), Next: span.Next[:]}
	return part
}

// lastEvents are those up to the limit of the request; cut: there are older ones.
func lastEvents(store *history.Store, q *history.Query, req *tcpb.ListEventsRequest) (last []history.Event, span history.Span, cut bool) {
	limit, n := limitOf(req), 0
	last = make([]history.Event, 0, min(limit, 64))
	span = store.Read(q, func(e *history.Event) bool {
		if !wantedEvent(req, e) {
			return true
		}
		if n++; len(last) < limit {
			last = append(last, *e)
		} else {
			last[(n-1)%limit] = *e
		}
		return true
	})
	if n <= limit {
		return last, span, false
	}
	oldest := n % limit
	return slices.Concat(last[oldest:], last[:oldest]), span, true
}

// firstEvents are those up to the limit of the request; cut: there are later ones.
func firstEvents(store *history.Store, q *history.Query, req *tcpb.ListEventsRequest) (first []history.Event, span history.Span, cut bool) {
	limit := limitOf(req)
	span = store.Read(q, func(e *history.Event) bool {
		switch {
		case !wantedEvent(req, e):
			return true
		case len(first) == limit:
			cut = true
			return false
		}
		first = append(first, *e)
		return true
	})
	return first, span, cut
}

// historyKinds are those of the store, by what they are called.
var historyKinds = map[tcpb.HistoryKind]history.Kind{
	tcpb.HistoryKind_HISTORY_KIND_STATE: history.State, tcpb.HistoryKind_HISTORY_KIND_AGENT: history.Agent, tcpb.HistoryKind_HISTORY_KIND_USE: history.Use,
	tcpb.HistoryKind_HISTORY_KIND_CALL: history.Call, tcpb.HistoryKind_HISTORY_KIND_LINK: history.Link,
}

func (d *Diagnosis) query(view *fsm.View, a *asking) *history.Query {
	req, ahead := a.GetQuery(), a.ahead
	q := &history.Query{DN: dn.Number(req.GetDn()), Until: math.MaxInt64}
	if t := req.GetSince(); t != nil {
		q.From = nanoseconds(t.AsTime().Add(ahead))
	}
	if t := req.GetUntil(); t != nil {
		q.Until = max(nanoseconds(t.AsTime().Add(ahead)), 1)
	}
	for name, k := range historyKinds {
		q.Without[k] = len(req.GetKinds()) > 0 && !slices.Contains(req.GetKinds(), name)
	}
	about := req.GetDn()+req.GetGroup()+req.GetAgent() != ""
	q.Without[history.Link] = q.Without[history.Link] || about || req.GetConnId() != ""
	for _, k := range []history.Kind{history.State, history.Agent, history.Use} {
		q.Without[k] = q.Without[k] || req.GetConnId() != "" || req.GetAgent() != "" && k != history.Agent
	}
	q.Without[history.Call] = q.Without[history.Call] || req.GetAgent() != ""
	d.places(q, a)
	q.Told = func(e *history.Event) bool {
		return (req.GetEachNode() || a.tells(e.By, e.At)) && (req.GetGroup() == "" || slices.Contains(view.DN(string(e.DN)).GetGroups(), req.GetGroup()))
	}
	return q
}

// places are the positions between which a query reads. Those of another store are void: all
// that this one has happened behind them. Nothing is told of kinds that who asks doesn't know.
func (d *Diagnosis) places(q *history.Query, a *asking) {
	id := d.cfg.History.ID()
	for _, p := range []*tcpb.EventsPosition{a.GetFrom(), a.GetUntil()} {
		for k := range history.Kinds {
			q.Without[k] = q.Without[k] || p != nil && int(k) >= len(p.GetNext())
		}
	}
	if p := a.GetFrom(); p.GetStore() == id {
		copy(q.Begin[:], p.GetNext())
	}
	if p := a.GetUntil(); p != nil {
		q.End = &history.Position{}
		if p.GetStore() == id {
			copy(q.End[:], p.GetNext())
		}
	}
}

// nanoseconds since the epoch, as far as they can be counted.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Year() < 1970:
		return 0
	case t.Year() > 2200:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// wantedEvent tells the rest of whether an event is asked for.
func wantedEvent(req *tcpb.ListEventsRequest, e *history.Event) bool {
	switch {
	case req.GetConnId() != "":
		return e.Call.Call == call.ID(req.GetConnId())
	case req.GetAgent() != "":
		return e.Change.Agent != nil && e.Change.Agent.ID == req.GetAgent()
	}
	return true
}

func eventOf(view *fsm.View, e *history.Event) *tcpb.HistoryEvent {
	m := &tcpb.HistoryEvent{Position: e.Seq, Time: moment(e.At), Node: dnview.NodeName(view, e.By), Dn: string(e.DN)}
	for name, k := range historyKinds {
		if k == e.Kind {
			m.Kind = name
		}
	}
	switch e.Kind {
	case history.Call:
		m.Call = historyCall(&e.Call)
	case history.Link:
		m.Link = &tcpb.HistoryLink{Peer: dnview.NodeName(view, e.Peer), Heard: e.Heard, Why: text(e.Why)}
	default:
		m.Change = changeOf(view, string(e.DN), &e.Change)
		m.Change.Time = nil // it is the event's
	}
	return m
}

func historyCall(e *call.Event) *tcpb.HistoryCall {
	m := &tcpb.HistoryCall{ConnId: string(e.Call), What: callWords[e.Kind], Caller: e.Role == call.Caller, Other: text(e.OtherDN), Cause: uint32(max(e.Cause, 0)), Why: text(e.Why)}
	if m.What == "" {
		m.What = fmt.Sprint("event ", uint8(e.Kind))
	}
	if e.Info != nil {
		m.Ani, m.Dnis = text(e.ANI), text(e.DNIS)
	}
	return m
}

var callWords = map[call.Kind]string{
	call.Ringing: "ringing", call.Established: "established", call.Released: "released", call.Abandoned: "abandoned", call.Dialing: "dialing",
	call.Held: "held", call.Retrieved: "retrieved", call.Waits: "waits", call.Left: "left the queue", call.Chosen: "waits for another group",
	call.Changed: "talks to another party", call.Added: "joined", call.Deleted: "lost a party",
}

// writes are the changes of the configuration that are asked for, behind one index and before
// another one, 0: no end; and behind which there are none yet.
func (d *Diagnosis) writes(view *fsm.View, req *tcpb.ListEventsRequest, after, before uint64) (list []*tcpb.HistoryEvent, end uint64) {
	end = cmp.Or(before, view.Index()+1)
	wanted := len(req.GetKinds()) == 0 || slices.Contains(req.GetKinds(), tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION)
	if !wanted || req.GetGroup()+req.GetAgent()+req.GetConnId() != "" {
		return nil, end
	}
	for e := range view.Audit(after) {
		if e.GetIndex() >= end {
			break
		}
		at := time.UnixMilli(int64(e.GetTimeMs()))
		if t := req.GetSince(); t != nil && at.Before(t.AsTime()) {
			continue
		}
		if t := req.GetUntil(); t != nil && at.After(t.AsTime()) {
			continue
		}
		changes := e.GetChanges()
		if n := req.GetDn(); n != "" {
			if changes = slices.DeleteFunc(changes, func(c string) bool { return !fsm.Concerns(c, n) }); len(changes) == 0 {
				continue
			}
		}
		list = append(list, &tcpb.HistoryEvent{
			Time: timestamppb.New(at), Node: dnview.NodeName(view, dn.Node(e.GetActor().GetNode())), Kind: tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION,
			Write: &tcpb.HistoryWrite{Index: e.GetIndex(), By: configpb.Who(e.GetActor(), "the node itself"), Changes: changes, Mutations: e.GetMutations(), Refused: e.GetRefused()},
		})
	}
	return list, end
}
