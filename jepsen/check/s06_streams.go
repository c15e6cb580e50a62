package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// streams is S6: in every stream the sequence numbers grow, a snapshot is
// announced and ends, a resumed stream goes on behind what it resumes, and
// what the events say agrees with the tables.
func streams(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, observer := range m.observers() {
		f := follower{m: m}
		for _, i := range m.streams[observer] {
			looked++
			if text := f.take(i); text != "" {
				out = append(out, f.finding(i, text))
			}
		}
		out = append(out, f.unfinished(m.h.End)...)
		gaps, n := m.gaps(f.folds)
		out, looked = append(out, gaps...), looked+n
	}
	return out, looked
}

// follower reads what one observer was told.
type follower struct {
	m      *model
	opened *history.Item // asked for
	began  *history.Item // WatchStarted
	head   uint64
	// snapshot is open: rows come until its end.
	snapshot bool
	folds    []*fold
	fold     *fold
	fresh    map[string]bool
	// resumable is how far the stream before had come.
	resumable uint64
}

// take returns what is wrong with the item, "" when nothing.
func (f *follower) take(i *history.Item) string {
	switch i.Kind {
	case history.Opened:
		f.opened, f.began, f.snapshot, f.head = i, nil, false, 0
	case history.Closed:
		f.resumable = f.head
		f.opened, f.began, f.snapshot = nil, nil, false
	case history.Started:
		return f.started(i)
	case history.Event, history.AgentEvent:
		return f.event(i)
	case history.EndOfSnapshot:
		return f.ended(i)
	case history.Heartbeat:
		return f.beat(i)
	}
	return ""
}

func (f *follower) started(i *history.Item) string {
	again := f.began != nil
	asked := f.opened
	f.began, f.snapshot, f.fresh = i, !i.Resumed, map[string]bool{}
	if !i.Resumed {
		if !again {
			f.newFold(i)
		}
		return ""
	}
	switch {
	case again:
		return "told a second time, within the stream, that it resumes"
	case asked == nil || asked.Incarnation == 0:
		return "resumed a stream of which nobody had asked for the rest"
	case asked.Incarnation != i.Incarnation:
		return fmt.Sprintf("resumed a stream of incarnation %d as one of %d", asked.Incarnation, i.Incarnation)
	}
	f.head = asked.Seq
	f.resumeFold(i)
	return ""
}

func (f *follower) event(i *history.Item) string {
	if f.began == nil {
		return "sent an event before it said that the stream begins"
	}
	if i.Snapshot != f.snapshot {
		if i.Snapshot {
			return "sent a row of a snapshot that had ended or was not announced"
		}
		return "sent a change before the end of the snapshot"
	}
	f.fold.set(i)
	if i.Snapshot {
		f.fresh[i.DN] = true
		return ""
	}
	before := f.head
	f.head = max(f.head, i.Seq)
	if i.Seq <= before {
		return fmt.Sprintf("sent the change %d of DN %s after it had told everything up to %d", i.Seq, i.DN, before)
	}
	return ""
}

func (f *follower) ended(i *history.Item) string {
	if !f.snapshot {
		return "ended a snapshot that it had not begun"
	}
	f.snapshot = false
	f.fold.sweep(i, f.fresh, f.began.At)
	before := f.head
	f.head = max(f.head, i.Seq)
	if i.Seq < before {
		return fmt.Sprintf("sent a snapshot of %d after it had told everything up to %d", i.Seq, before)
	}
	return ""
}

func (f *follower) beat(i *history.Item) string {
	before := f.head
	f.head = max(f.head, i.Seq)
	if f.fold != nil {
		f.fold.to = i.At
	}
	if i.Seq < before && !f.snapshot {
		return fmt.Sprintf("said that everything up to %d was told after it had told %d", i.Seq, before)
	}
	return ""
}

func (f *follower) finding(i *history.Item, text string) Finding {
	out := Finding{
		Text:  fmt.Sprintf("%s, to its client %s, %s", i.Node, i.Observer, text),
		Nodes: []string{i.Node}, Events: []Event{itemEvent(i)},
	}
	if i.DN != "" {
		out.Keys = []string{i.DN}
	}
	for _, before := range []*history.Item{f.opened, f.began} {
		if before != nil && before != i {
			out.Events = append(out.Events, itemEvent(before))
		}
	}
	return out
}

// unfinished is the finding of a snapshot that never ended.
func (f *follower) unfinished(end time.Duration) []Finding {
	if f.began == nil || !f.snapshot || end-f.began.At < f.m.b.ConvergeRestart ||
		f.m.stopped[f.began.Node].touch(Span{f.began.At, end}) {
		return nil
	}
	return []Finding{f.finding(f.began, "began a snapshot and never ended it")}
}

func itemEvent(i *history.Item) Event {
	e := Event{At: i.At, To: i.At, Node: i.Node}
	switch i.Kind {
	case history.Opened:
		e.Text = fmt.Sprintf("stream %s opened, to resume from %d", i.Observer, i.Seq)
	case history.Started:
		e.Text = fmt.Sprintf("stream %s: started, incarnation %d, resumed %v", i.Observer, i.Incarnation, i.Resumed)
	case history.AgentEvent:
		e.Text = fmt.Sprintf("stream %s, change %d: the agent at DN %s is %s", i.Observer, i.Seq, i.DN, i.Agent)
	case history.Event:
		e = sighting{Span{i.At, i.At}, i.Node, i.Row, fmt.Sprintf("stream %s, change %d", i.Observer, i.Seq)}.event()
	default:
		e.Text = fmt.Sprintf("stream %s: %s %d %s", i.Observer, i.Kind, i.Seq, i.Error)
	}
	return e
}
