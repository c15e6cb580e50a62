package api

import (
	"bytes"
	"encoding/base64"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// eventsToken is the start of a sum of the question, and where each node's events go on.
type eventsToken struct {
	field string
	sum   []byte
}

// pageOf is the token of a question's pages.
func pageOf(req *tcpb.ListEventsRequest) eventsToken {
	q := proto.CloneOf(req)
	q.Limit, q.PageToken = 0, ""
	return eventsToken{"page_token", tokensOf(q, "events", nil).sum}
}

func (t eventsToken) bytes(p *peerpb.EventsPlaces) []byte {
	b, _ := proto.MarshalOptions{}.MarshalAppend(bytes.Clone(t.sum), p)
	return b
}

func (t eventsToken) text(p *peerpb.EventsPlaces) string {
	return base64.RawURLEncoding.EncodeToString(t.bytes(p))
}

// maxKinds of events may be in a position, those of later versions too.
const maxKinds = 64

// read is what was written to b.
func (t eventsToken) read(b []byte) (*peerpb.EventsPlaces, error) {
	p := &peerpb.EventsPlaces{}
	if len(b) < questionSum || proto.Unmarshal(b[questionSum:], p) != nil || len(p.GetNodes()) > feed.MaxNodes ||
		slices.ContainsFunc(p.GetNodes(), func(n *peerpb.EventsPlace) bool { return len(n.GetPosition().GetNext()) > maxKinds }) {
		return nil, status.Errorf(codes.InvalidArgument, "%s: not one that this service gave", t.field)
	}
	if !bytes.Equal(b[:questionSum], t.sum) {
		return nil, status.Errorf(codes.InvalidArgument, "%s: of another question: it goes on with the filter of the answer that it is from", t.field)
	}
	return p, nil
}

// readText is what a page token says; nil without one.
func (t eventsToken) readText(token string) (*peerpb.EventsPlaces, error) {
	if token == "" {
		return nil, nil //nolint:nilnil // the first page
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		b = nil
	}
	return t.read(b)
}

// eventsPage is the way from the places of a page to those of the next one. It asks nobody.
type eventsPage struct {
	// after are the places that the page before left; nil: this is the first page.
	after *peerpb.EventsPlaces
	nodes map[string]*peerpb.EventsPlace
	// next are those of the page behind this one.
	next *peerpb.EventsPlaces
}

func newEventsPage(after *peerpb.EventsPlaces) *eventsPage {
	return &eventsPage{after: after, nodes: placesOf(after), next: &peerpb.EventsPlaces{Time: after.GetTime(), Audit: after.GetAudit()}}
}

func placesOf(all *peerpb.EventsPlaces) map[string]*peerpb.EventsPlace {
	nodes := make(map[string]*peerpb.EventsPlace, len(all.GetNodes()))
	for _, n := range all.GetNodes() {
		nodes[n.GetNode()] = n
	}
	return nodes
}

// place is where a node's events end. One that was not in the roster when the page before was
// asked for has a time alone: until then others told its events.
func (p *eventsPage) place(id dn.Node) *peerpb.EventsPlace {
	if place := p.nodes[string(id)]; place != nil || p.after == nil {
		return place
	}
	return &peerpb.EventsPlace{Time: p.after.GetTime()}
}

// ask is the request for a node's part of the page.
func (p *eventsPage) ask(id dn.Node, req *tcpb.ListEventsRequest) *peerpb.HistoryRequest {
	query := proto.CloneOf(req)
	query.Node, query.PageToken = "", ""
	place := p.place(id)
	if place.GetPosition() == nil && place.GetTime() != 0 {
		if end := time.Unix(0, place.GetTime()-1); query.Until == nil || query.Until.AsTime().After(end) {
			query.Until = timestamppb.New(end)
		}
	}
	return &peerpb.HistoryRequest{Query: query, Until: place.GetPosition()}
}

// began is since when a node tells its own events, by this node's clock: what was before,
// others tell, all of one that gives no answer. All pages of a question have one answer to
// that, so that nothing is told by both: of a node that fell silent behind the first page
// others tell nothing, it tells that itself when it answers again. But of one that was started
// anew meanwhile the others tell what it would have told.
func (p *eventsPage) began(id dn.Node, part *tcpb.EventsPart) int64 {
	place := p.place(id)
	was, is := place.GetPosition(), part.GetEnd()
	switch {
	case part.GetError() != "" && was != nil:
		return 0
	case was != nil && is != nil && was.GetStore() != is.GetStore():
		return place.GetTime()
	case part.GetError() == "" && place.GetBegan() != 0:
		return place.GetBegan() - int64(part.GetAhead().AsDuration())
	}
	return beganAt(part)
}

// left notes where a node's events end for the next page, by what of its part was taken; kept:
// where they ended before, because it gave no answer.
func (p *eventsPage) left(id dn.Node, part *tcpb.EventsPart) (kept bool) {
	place := &peerpb.EventsPlace{Node: string(id), Position: part.GetEnd(), Time: p.next.GetTime()}
	if part.GetError() == "" && part.GetBegan() != nil {
		place.Began = p.began(id, part) + int64(part.GetAhead().AsDuration())
	}
	if old := p.nodes[string(id)]; place.Position == nil && old.GetPosition() != nil {
		place, kept = old, true
	}
	p.next.Nodes = append(p.next.Nodes, place)
	return kept
}

// eventList has events of a kind of one node, or those of the audit log, the oldest first.
// The last ones of them are taken.
type eventList struct {
	events []*tcpb.HistoryEvent
	taken  int
	// left is called with the oldest one that was taken.
	left func(*tcpb.HistoryEvent)
}

// newest is the time of the newest event that was not taken.
func (l *eventList) newest() (at time.Time, is bool) {
	if rest := len(l.events) - l.taken; rest > 0 {
		return l.events[rest-1].GetTime().AsTime(), true
	}
	return at, false
}

// listsOf are those of a part, by kind; its end follows what is taken of them.
func listsOf(p *tcpb.EventsPart) (lists []*eventList) {
	of := make([][]*tcpb.HistoryEvent, history.Kinds+1)
	for _, e := range p.GetEvents() {
		k := min(max(int(e.GetKind())-1, 0), int(history.Kinds))
		of[k] = append(of[k], e)
	}
	for k, events := range of {
		lists = append(lists, &eventList{events: events, left: func(oldest *tcpb.HistoryEvent) {
			if next := p.GetEnd().GetNext(); k < len(next) {
				next[k] = oldest.GetPosition()
			}
		}})
	}
	return lists
}

// gather takes the newest so many events of all lists, of each its last ones, whatever their
// times: so each goes on where it was left. They are in the order of their times; more tells
// whether any are left.
func gather(lists []*eventList, limit int) (events []*tcpb.HistoryEvent, more bool) {
	for range limit {
		var newest *eventList
		var at time.Time
		for _, l := range lists {
			if t, is := l.newest(); is && (newest == nil || t.After(at)) {
				newest, at = l, t
			}
		}
		if newest == nil {
			break
		}
		newest.taken++
	}
	for _, l := range lists {
		rest := len(l.events) - l.taken
		more = more || rest > 0
		if l.taken > 0 {
			l.left(l.events[rest])
			events = append(events, l.events[rest:]...)
		}
	}
	slices.SortStableFunc(events, func(a, b *tcpb.HistoryEvent) int { return a.GetTime().AsTime().Compare(b.GetTime().AsTime()) })
	return events, more
}

// answer makes the page of all parts, of which the first is this node's, and of the writes of
// the configuration.
func (p *eventsPage) answer(nodes []dn.Node, parts []*tcpb.EventsPart, writes []*tcpb.HistoryEvent, limit int) *tcpb.ListEventsResponse {
	r, cut := &tcpb.ListEventsResponse{Parts: parts}, false
	lists := []*eventList{{events: writes, left: func(oldest *tcpb.HistoryEvent) { p.next.Audit = oldest.GetWrite().GetIndex() }}}
	for _, part := range parts {
		lists = append(lists, listsOf(part)...)
		cut = cut || part.GetCut()
	}
	var more bool
	r.Events, more = gather(lists, limit)
	parts[0].Cut = parts[0].GetCut() || more
	if len(r.Events) > 0 {
		p.next.Time = nanoseconds(r.Events[0].GetTime().AsTime())
	}
	for i, part := range parts {
		kept := p.left(nodes[i], part)
		more = more || kept && len(r.Events) > 0
		stripped(part)
	}
	for _, e := range r.Events {
		e.Position = 0
	}
	if !cut && !more {
		p.next = nil
	}
	return r
}

// stripped is a part as clients see it.
func stripped(p *tcpb.EventsPart) { p.Events, p.End, p.Lost = nil, nil, false }

func idsOf(self dn.Node, nodes []*configpb.Node) []dn.Node {
	ids := []dn.Node{self}
	for _, n := range nodes {
		ids = append(ids, dn.Node(n.GetId()))
	}
	return ids
}
