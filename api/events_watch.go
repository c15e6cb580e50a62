package api

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// followEvery is how often the nodes are asked for what is new; followIdle after how long
	// without news a client is told that there are none.
	followEvery, followIdle = time.Second, 15 * time.Second
	// followBatch events are in one message at most.
	followBatch = 500
)

// WatchEvents tells what happens at all nodes, until the client leaves.
func (d *Diagnosis) WatchEvents(req *tcpb.WatchEventsRequest, stream grpc.ServerStreamingServer[tcpb.WatchEventsResponse]) error {
	ctx := stream.Context()
	leave, err := d.following.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	f, err := d.newFollower(ctx, req, stream.Send)
	if err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		more, err := f.look(ctx)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// eventsFollower is one client of WatchEvents.
type eventsFollower struct {
	*Diagnosis
	req    *tcpb.ListEventsRequest
	token  eventsToken
	writes bool
	tail   *eventsTail
	send   func(*tcpb.WatchEventsResponse) error
	// sent is when the client was told something last.
	sent time.Time
}

func (d *Diagnosis) newFollower(ctx context.Context, req *tcpb.WatchEventsRequest, send func(*tcpb.WatchEventsResponse) error) (*eventsFollower, error) {
	q := &tcpb.ListEventsRequest{Dn: req.GetDn(), Group: req.GetGroup(), Agent: req.GetAgent(), ConnId: req.GetConnId(), Kinds: req.GetKinds(), Node: req.GetNode()}
	view := d.cfg.View()
	if err := checkEvents(view, q); err != nil {
		return nil, err
	}
	f := &eventsFollower{Diagnosis: d, req: q, token: cursorOf(q), writes: mayRead(ctx), send: send}
	from := &peerpb.EventsPlaces{Audit: view.Index()}
	if len(req.GetCursor()) > 0 {
		var err error
		if from, err = f.token.read(req.GetCursor()); err != nil {
			return nil, err
		}
	}
	f.tail = newEventsTail(from)
	return f, nil
}

// cursorOf is the token by which a question is followed.
func cursorOf(req *tcpb.ListEventsRequest) eventsToken {
	q := proto.CloneOf(req)
	q.Since, q.Until, q.Limit, q.PageToken, q.EachNode = nil, nil, 0, "", false
	return eventsToken{"cursor", tokensOf(q, "events watched", nil).sum}
}

// look asks all nodes once and tells what is new; more: there is more of that.
func (f *eventsFollower) look(ctx context.Context) (more bool, err error) {
	view, self := f.cfg.View(), f.cfg.Table.Self()
	if name := f.req.GetNode(); name != "" && view.NodeByName(name) == nil {
		return false, status.Errorf(codes.NotFound, "node %s was removed", name)
	}
	nodes := slices.DeleteFunc(view.Nodes(), func(n *configpb.Node) bool { return f.req.GetNode() != "" && n.GetName() != f.req.GetNode() })
	f.tail.begin(nodes, f.now().UnixNano())
	parts := askEach(ctx, nodes, historyTime, func(ctx context.Context, n *configpb.Node) *tcpb.EventsPart {
		ask := f.tail.ask(dn.Node(n.GetId()), f.req)
		if dn.Node(n.GetId()) == self {
			return f.OwnEvents(ask, 0)
		}
		return f.askEvents(ctx, n, ask)
	})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	m := &tcpb.WatchEventsResponse{}
	for i, p := range parts {
		if news := f.tail.take(dn.Node(nodes[i].GetId()), p); news != nil {
			m.Nodes = append(m.Nodes, news)
		}
		more = more || p.GetCut()
	}
	if f.writes && f.asked(f.req, self) {
		f.tail.takeWrites(f.Diagnosis.writes(view, f.req, f.tail.audit, 0))
	}
	return more, f.tell(m)
}

// tell sends what the tail has, with news of nodes before it.
func (f *eventsFollower) tell(m *tcpb.WatchEventsResponse) error {
	for {
		m.Events = f.tail.next(followBatch)
		if len(m.GetEvents())+len(m.GetNodes()) == 0 && f.now().Sub(f.sent) < followIdle {
			return nil
		}
		m.Cursor = f.token.bytes(f.tail.places())
		if err := f.send(m); err != nil {
			return err
		}
		f.sent = f.now()
		if len(m.GetEvents()) < followBatch {
			return nil
		}
		m = &tcpb.WatchEventsResponse{}
	}
}

// followFrom is where WatchEvents goes on behind the first page of a list: each node where its
// history ended when it was asked. Of one that gave no answer it goes on behind what this node
// knows of it, as far as that was asked for.
func followFrom(req *tcpb.ListEventsRequest, nodes []dn.Node, parts []*tcpb.EventsPart, at time.Time, audit uint64) *peerpb.EventsPlaces {
	p := &peerpb.EventsPlaces{Audit: audit, Time: at.UnixNano()}
	for i, part := range parts {
		place := &peerpb.EventsPlace{Node: string(nodes[i])}
		switch {
		case part.GetEnd() != nil:
			place.Position = proto.CloneOf(part.GetEnd())
		case part.GetError() == "": // of a version that can't be followed
			place.Time = p.GetTime()
		default:
			place.Silent = true
			if req.GetSince() != nil {
				place.Time = nanoseconds(req.GetSince().AsTime())
			}
			for _, e := range parts[0].GetEvents() {
				if e.GetNode() == part.GetNode() {
					place.Time = max(place.GetTime(), nanoseconds(e.GetTime().AsTime())+1)
				}
			}
		}
		p.Nodes = append(p.Nodes, place)
	}
	return p
}
