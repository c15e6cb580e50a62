package api

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// followMost events of a node are asked for at once.
const followMost = 1000

// eventsTail is how far a client was told what each node tells of itself. It asks nobody, and
// has no clock.
type eventsTail struct {
	nodes map[dn.Node]*peerpb.EventsPlace
	// audit is the last index of the audit log that was told.
	audit uint64
	// looked is when the nodes were asked last, by this node's clock, ns since the epoch: one
	// that is new in the roster is followed from there.
	looked int64
	// heads: this is the first look of who begins now, at where the nodes' histories end.
	heads bool
	// asked are the nodes of the last look, and queues has what they told and the client was
	// not told yet.
	asked  []tailPart
	queues []*eventQueue
}

// tailPart is what a node told, of whose place there is news.
type tailPart struct {
	place *peerpb.EventsPlace
	end   *tcpb.EventsPosition
	kinds []*eventQueue
}

// eventQueue has events of a kind of one node, or those of the audit log, the oldest first.
type eventQueue struct{ events []*tcpb.HistoryEvent }

// newEventsTail goes on at places; those without a time begin now.
func newEventsTail(from *peerpb.EventsPlaces) *eventsTail {
	t := &eventsTail{nodes: make(map[dn.Node]*peerpb.EventsPlace, len(from.GetNodes())), audit: from.GetAudit(), looked: from.GetTime()}
	for _, n := range from.GetNodes() {
		t.nodes[dn.Node(n.GetNode())] = n
	}
	return t
}

// places are where the client goes on behind what it was told.
func (t *eventsTail) places() *peerpb.EventsPlaces {
	p := &peerpb.EventsPlaces{Audit: t.audit, Time: t.looked}
	for _, n := range t.nodes {
		p.Nodes = append(p.Nodes, n)
	}
	slices.SortFunc(p.Nodes, func(a, b *peerpb.EventsPlace) int { return strings.Compare(a.GetNode(), b.GetNode()) })
	return p
}

// begin begins a look at the nodes of a roster: of others nothing is kept.
func (t *eventsTail) begin(roster []*configpb.Node, now int64) {
	kept := make(map[dn.Node]*peerpb.EventsPlace, len(roster))
	for _, n := range roster {
		id := dn.Node(n.GetId())
		if kept[id] = t.nodes[id]; kept[id] == nil {
			kept[id] = &peerpb.EventsPlace{Node: n.GetId(), Time: cmp.Or(t.looked, now)}
		}
	}
	t.heads = t.looked == 0
	t.nodes, t.looked = kept, now
	t.asked, t.queues = nil, nil
}

// ask is what to ask a node for.
func (t *eventsTail) ask(id dn.Node, of *tcpb.ListEventsRequest) *peerpb.HistoryRequest {
	query, place := proto.CloneOf(of), t.nodes[id]
	query.Node, query.Limit = "", followMost
	switch {
	case t.heads:
		query.Since = timestamppb.New(never)
	case place.GetPosition() == nil:
		query.Since = timestamppb.New(time.Unix(0, place.GetTime()))
	}
	return &peerpb.HistoryRequest{Query: query, From: place.GetPosition(), OldestFirst: true}
}

// never is a time behind those of all events.
var never = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)

// silentVersion is said of a node that knows no positions.
const silentVersion = "its version can't be followed"

// take takes a node's answer; the news of the node, if there is any, are to be said before
// its events.
func (t *eventsTail) take(id dn.Node, part *tcpb.EventsPart) (news *tcpb.EventsNode) {
	place := t.nodes[id]
	said := part.GetError()
	if said == "" && part.GetEnd() == nil {
		said = silentVersion
	}
	switch {
	case said != "" && place.GetSilent():
		return nil
	case said != "":
		place.Silent = true
		return &tcpb.EventsNode{Node: part.GetNode(), Error: said}
	}
	p := tailPart{place: place, end: part.GetEnd()}
	for range p.end.GetNext() {
		p.kinds = append(p.kinds, &eventQueue{})
	}
	for _, e := range part.GetEvents() {
		if k := int(e.GetKind()) - 1; k >= 0 && k < len(p.kinds) {
			p.kinds[k].events = append(p.kinds[k].events, e)
		}
	}
	t.asked = append(t.asked, p)
	t.queues = append(t.queues, p.kinds...)
	var lost *timestamppb.Timestamp
	if !t.heads { // who begins now has missed nothing
		lost = lostBefore(place, part)
	}
	if lost == nil && !place.GetSilent() {
		return nil
	}
	news = &tcpb.EventsNode{Node: part.GetNode(), Back: place.GetSilent(), LostBefore: lost}
	place.Silent = false
	return news
}

// lostBefore is since when a node remembers what it tells, by this node's clock, if that is
// behind its place; nil when it remembers all.
func lostBefore(place *peerpb.EventsPlace, part *tcpb.EventsPart) *timestamppb.Timestamp {
	since := part.GetSince().AsTime().Add(-part.GetAhead().AsDuration())
	was := place.GetPosition()
	anew := was != nil && was.GetStore() != part.GetEnd().GetStore()
	late := was == nil && place.GetTime() != 0 && nanoseconds(since) > place.GetTime()
	if late || anew || part.GetLost() {
		return timestamppb.New(since)
	}
	return nil
}

// takeWrites takes writes of the configuration; all before an index are known here.
func (t *eventsTail) takeWrites(writes []*tcpb.HistoryEvent, end uint64) {
	q := &eventQueue{writes}
	t.queues = append(t.queues, q)
	t.asked = append(t.asked, tailPart{end: &tcpb.EventsPosition{Next: []uint64{end}}, kinds: []*eventQueue{q}})
}

// next are so many of the events that were taken, the oldest of all first as far as those of
// one node and kind keep their order; places are behind them then.
func (t *eventsTail) next(most int) (events []*tcpb.HistoryEvent) {
	for len(events) < most {
		var first *eventQueue
		var at time.Time
		for _, q := range t.queues {
			if len(q.events) == 0 {
				continue
			}
			if head := q.events[0].GetTime().AsTime(); first == nil || head.Before(at) {
				first, at = q, head
			}
		}
		if first == nil {
			break
		}
		events = append(events, first.events[0])
		first.events = first.events[1:]
	}
	for _, p := range t.asked {
		p.told(t)
	}
	for _, e := range events {
		e.Position = 0
	}
	return events
}

// told moves the place behind what was told of a part.
func (p *tailPart) told(t *eventsTail) {
	if p.place == nil {
		last := p.end.GetNext()[0] - 1
		if rest := p.kinds[0].events; len(rest) > 0 {
			last = rest[0].GetWrite().GetIndex() - 1
		}
		t.audit = max(t.audit, last)
		return
	}
	to := &tcpb.EventsPosition{Store: p.end.GetStore(), Next: slices.Clone(p.end.GetNext())}
	for k, q := range p.kinds {
		if len(q.events) > 0 {
			to.Next[k] = q.events[0].GetPosition()
		}
	}
	p.place.Position, p.place.Time = to, 0
}
