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
	"google.golang.org/protobuf/proto"
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
	nodes := slices.DeleteFunc(others(view, self), func(n *configpb.Node) bool { return req.GetNode() != "" && n.GetName() != req.GetNode() })
	parts := askEach(ctx, nodes, historyTime, func(ctx context.Context, n *configpb.Node) *tcpb.EventsPart { return d.askEvents(ctx, n, req) })
	began := make(map[dn.Node]int64, len(parts))
	for i, p := range parts {
		began[dn.Node(nodes[i].GetId())] = beganAt(p)
	}
	own := d.events(req, 0, speaks(self, req.GetNode(), view, began))
	who := access.From(ctx)
	if d.asked(req, self) && (who == nil || who.Role == configpb.Role_ROLE_ADMIN) {
		own.Events = append(own.Events, d.writes(req)...)
	}
	return gathered(append([]*tcpb.EventsPart{own}, parts...), limitOf(req)), nil
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
func (d *Diagnosis) askEvents(ctx context.Context, n *configpb.Node, req *tcpb.ListEventsRequest) *tcpb.EventsPart {
	query := proto.CloneOf(req)
	query.Node = ""
	began := time.Now()
	p, ahead, err := d.cfg.AskHistory(ctx, dn.Node(n.GetId()), query)
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

// gathered are the events of all parts by time, the last so many.
func gathered(parts []*tcpb.EventsPart, limit int) *tcpb.ListEventsResponse {
	r := &tcpb.ListEventsResponse{Parts: parts}
	for _, p := range parts {
		r.Events = append(r.Events, p.GetEvents()...)
		p.Events = nil
	}
	slices.SortStableFunc(r.Events, func(a, b *tcpb.HistoryEvent) int { return a.GetTime().AsTime().Compare(b.GetTime().AsTime()) })
	if more := len(r.Events) - limit; more > 0 {
		r.Events, parts[0].Cut = r.Events[more:], true
	}
	return r
}

// OwnEvents is what this node tells of itself to another one that asks, whose clock is so
// much behind.
func (d *Diagnosis) OwnEvents(req *tcpb.ListEventsRequest, ahead time.Duration) *tcpb.EventsPart {
	self := d.cfg.Table.Self()
	return d.events(req, ahead, func(by dn.Node, _ int64) bool { return by == self })
}

// events are the last ones that this node knows, by its clock, which is so much ahead of that
// of the times asked for, of nodes whose word tells wants.
func (d *Diagnosis) events(req *tcpb.ListEventsRequest, ahead time.Duration, tells func(by dn.Node, at int64) bool) *tcpb.EventsPart {
	view := d.cfg.View()
	self := view.Node(string(d.cfg.Table.Self()))
	part := &tcpb.EventsPart{Node: self.GetName(), Site: self.GetSite()}
	q, limit := d.query(view, req, ahead, tells), limitOf(req)
	last, n := make([]history.Event, 0, min(limit, 64)), 0
	d.cfg.History.Read(q, func(e *history.Event) bool {
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
	oldest := 0
	if n > limit {
		oldest = n % limit
	}
	for i := range last {
		part.Events = append(part.Events, eventOf(view, &last[(oldest+i)%len(last)]))
	}
	part.Cut = n > limit
	since, began := int64(0), int64(math.MaxInt64)
	for k, h := range d.cfg.History.Held() {
		began = min(began, h.Since)
		if !q.Without[k] {
			since = max(since, h.Since)
		}
	}
	part.Since, part.Began = moment(since), moment(began)
	return part
}

// historyKinds are those of the store, by what they are called.
var historyKinds = map[tcpb.HistoryKind]history.Kind{
	tcpb.HistoryKind_HISTORY_KIND_STATE: history.State, tcpb.HistoryKind_HISTORY_KIND_AGENT: history.Agent, tcpb.HistoryKind_HISTORY_KIND_USE: history.Use,
	tcpb.HistoryKind_HISTORY_KIND_CALL: history.Call, tcpb.HistoryKind_HISTORY_KIND_LINK: history.Link,
}

func (d *Diagnosis) query(view *fsm.View, req *tcpb.ListEventsRequest, ahead time.Duration, tells func(by dn.Node, at int64) bool) *history.Query {
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
	q.Told = func(e *history.Event) bool {
		return (req.GetEachNode() || tells(e.By, e.At)) && (req.GetGroup() == "" || slices.Contains(view.DN(string(e.DN)).GetGroups(), req.GetGroup()))
	}
	return q
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
	m := &tcpb.HistoryEvent{Time: moment(e.At), Node: dnview.NodeName(view, e.By), Dn: string(e.DN)}
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

// writes are the changes of the configuration that are asked for.
func (d *Diagnosis) writes(req *tcpb.ListEventsRequest) (list []*tcpb.HistoryEvent) {
	wanted := len(req.GetKinds()) == 0 || slices.Contains(req.GetKinds(), tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION)
	if !wanted || req.GetGroup()+req.GetAgent()+req.GetConnId() != "" {
		return nil
	}
	view := d.cfg.View()
	for e := range view.Audit(0) {
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
	return list
}
