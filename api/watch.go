package api

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// watchBatch is how many changes go into one message at most.
const watchBatch = 512

// Watch streams the table: a snapshot, its end, every change, and a heartbeat
// when there is nothing to say. A client that reads slowly holds up its own
// stream alone: the table merges what it has not read yet.
//
// A filter is judged when a DN's state changes, not when its configuration
// does. Two rules keep a filtered picture true: a DN that leaves the filter by
// moving to another owner is told once more, with its new owner; and a DN whose
// configuration is not known here (not yet, or deleted) passes any kind and
// group. A stream filtered by owner or site begins with a snapshot even when
// it could resume, because what the client holds is not known here.
func (a *Availability) Watch(req *tcpb.WatchRequest, stream grpc.ServerStreamingServer[tcpb.WatchResponse]) error {
	leave, err := a.watches.take(stream.Context())
	if err != nil {
		return err
	}
	defer leave()
	w, err := a.newWatch(req, stream)
	if err != nil {
		return err
	}
	return w.run(stream.Context())
}

// watch is one client's stream.
type watch struct {
	service *Availability
	source  *dn.Stream
	filter  watchFilter
	// agents: changes of agents and of use are told too.
	agents bool
	stream grpc.ServerStreamingServer[tcpb.WatchResponse]
	// batch holds changes that are not sent yet.
	batch []*tcpb.DNEvent
	// snapshot: rows are on their way, behind which nobody can go on.
	snapshot bool
}

// cursor is what the client may resume behind, when all up to seq was told.
func (w *watch) cursor(seq uint64) []byte {
	if w.snapshot {
		return nil
	}
	return feed.Cursor{Incarnation: w.service.table.Incarnation(), DNs: seq}.Bytes()
}

func (a *Availability) newWatch(req *tcpb.WatchRequest, stream grpc.ServerStreamingServer[tcpb.WatchResponse]) (*watch, error) {
	from, err := feed.ParseCursor(req.GetResumeCursor())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "resume_cursor: %v", err)
	}
	w := &watch{service: a, stream: stream, filter: watchFilter{filter: newFilter(req.GetFilter())}, agents: req.GetAgents()}
	if req.GetOwnOnly() {
		w.filter.self = a.table.Self()
	}
	if w.filter.moves() {
		from, w.filter.inside = feed.Cursor{}, map[dn.Number]struct{}{}
	}
	w.source = a.table.Watch(from.Position())
	if f := &w.filter; f.group != "" {
		w.source.Among(func(after dn.Number) iter.Seq[dn.Number] {
			return a.members(f.group, max(after, dn.Number(f.before())))
		})
	} else if f.prefix != "" {
		w.source.Between(dn.Number(f.before()), func(n dn.Number) bool { return f.behind(string(n)) })
	}
	return w, nil
}

// members yields the DNs of a group behind a number.
func (a *Availability) members(group string, after dn.Number) iter.Seq[dn.Number] {
	return func(yield func(dn.Number) bool) {
		for d := range a.view().Members(group, string(after)) {
			if !yield(dn.Number(d.GetNumber())) {
				return
			}
		}
	}
}

func (w *watch) run(ctx context.Context) error {
	buf := make([]dn.Item, 0, watchBatch)
	for {
		events, err := w.next(ctx, buf[:0])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			err = w.stream.Send(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Heartbeat{Heartbeat: &tcpb.Heartbeat{Seq: w.source.Seq(), Cursor: w.cursor(w.source.Seq())}}})
		case err == nil:
			err = w.send(events)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for events, at most until a heartbeat is due.
func (w *watch) next(ctx context.Context, buf []dn.Item) ([]dn.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, w.service.heartbeat)
	defer cancel()
	return w.source.Next(ctx, buf)
}

// send passes on what the filter lets through. Changes between two marks make
// one message.
func (w *watch) send(events []dn.Item) error {
	view := w.service.view()
	slab := newEventSlab(view, len(events))
	for i := range events {
		e := &events[i]
		if e.Kind == feed.Row || e.Kind == feed.Change {
			if (w.agents || e.What == dn.StateChange || e.What == dn.OwnerChange) && w.filter.judge(&e.Status, slab.names) {
				m := slab.event(e)
				if w.agents {
					addUse(m, view, &e.Status)
				}
				w.batch = append(w.batch, m)
			}
			continue
		}
		if err := w.flush(); err != nil {
			return err
		}
		if err := w.mark(view, e); err != nil {
			return err
		}
	}
	return w.flush()
}

func (w *watch) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	events := w.batch
	w.batch = nil
	return w.stream.Send(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Events{Events: &tcpb.EventBatch{
		Events: events, Cursor: w.cursor(events[len(events)-1].GetSeq()),
	}}})
}

// mark sends the begin of a snapshot or tail, or the end of a snapshot.
func (w *watch) mark(view *fsm.View, e *dn.Item) error {
	if e.Kind == feed.EndOfSnapshot {
		w.snapshot = false
		return w.stream.Send(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_EndOfSnapshot{EndOfSnapshot: &tcpb.EndOfSnapshot{Seq: e.Seq, Cursor: w.cursor(e.Seq)}}})
	}
	w.snapshot = !e.Resumed
	clear(w.filter.inside)
	name, _ := (&nodeNames{view: view}).of(w.service.table.Self())
	return w.stream.Send(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Started{Started: &tcpb.WatchStarted{
		Node: name, Incarnation: w.service.table.Incarnation(), Resumed: e.Resumed,
	}}})
}

// watchFilter judges changes.
type watchFilter struct {
	filter
	// self, when set, passes only DNs that this node owns.
	self dn.Node
	// inside are the DNs that the client believes to be in the filter; only
	// kept when a change of owner can take one out.
	inside map[dn.Number]struct{}
}

// moves tells whether a DN can leave the filter by changing its owner.
func (f *watchFilter) moves() bool { return f.owner != "" || f.site != "" || f.self != "" }

// judge tells whether the client hears of the change.
func (f *watchFilter) judge(s *dn.Status, n *nodeNames) bool {
	if !strings.HasPrefix(string(s.Number), f.prefix) || f.byConfig() && !f.configPasses(n.view.DN(string(s.Number))) {
		return false
	}
	if f.inside == nil {
		return true
	}
	if (f.self == "" || s.Owner == f.self) && f.ownerPasses(s.Owner, n) {
		f.inside[s.Number] = struct{}{}
		return true
	}
	_, left := f.inside[s.Number]
	delete(f.inside, s.Number)
	return left
}

// byConfig tells whether the configuration of a DN counts.
func (f *watchFilter) byConfig() bool {
	return f.kind != configpb.DNKind_DN_KIND_UNSPECIFIED || f.group != ""
}

func (f *watchFilter) configPasses(config *configpb.DN) bool {
	return config == nil ||
		(f.kind == configpb.DNKind_DN_KIND_UNSPECIFIED || config.Kind == f.kind) &&
			(f.group == "" || slices.Contains(config.Groups, f.group))
}

// addUse fills in what only a client that wants agents hears of.
func addUse(m *tcpb.DNEvent, view *fsm.View, s *dn.Status) {
	m.Agent, m.Busy, m.Reserved = dnview.Agent(s), s.Busy, s.Reserved
	m.DoNotDisturb, m.CoolDown, m.Uses = s.DoNotDisturb, dnview.CoolDown(s), dnview.Uses(s)
	m.Routable = dnview.Routable(view, view.DN(m.Dn), s)
}

// eventSlab makes the messages of one batch with a few allocations.
type eventSlab struct {
	names  *nodeNames
	events []tcpb.DNEvent
	stamps []timestamppb.Timestamp
}

func newEventSlab(view *fsm.View, n int) *eventSlab {
	return &eventSlab{
		names:  &nodeNames{view: view},
		events: make([]tcpb.DNEvent, 0, n), stamps: make([]timestamppb.Timestamp, n),
	}
}

func (s *eventSlab) event(e *dn.Item) *tcpb.DNEvent {
	i := len(s.events)
	s.events = s.events[:i+1]
	m, t := &s.events[i], &s.stamps[i]
	if e.Status.Since != 0 {
		dnview.Stamp(t, e.Status.Since)
		m.Time = t
	}
	m.Dn, m.State, m.Reason = string(e.Status.Number), dnview.StateOf(e.Status.State), tcpb.Reason(e.Status.Reason)
	m.Owner, m.Site = s.names.of(e.Status.Owner)
	m.Seq, m.Snapshot, m.Change = e.Seq, e.Kind == feed.Row, tcpb.Change(e.What)+1
	return m
}
