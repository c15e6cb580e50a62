package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

const (
	// lookEvery is how often the nodes are asked for what is new, mostLook how much of it
	// there is at most.
	lookEvery, mostLook = time.Second, 10_000
	// again is of how long before the newest event all are asked for again: so late one may
	// be, by its way to the node that was asked, or by what is not known of clocks.
	again = 10 * time.Second
)

// tail is what was told of events that go on, so that each is told once. It asks nobody.
type tail struct {
	// seen are the events of the last time, by what they say and their teller's clock, with
	// their time.
	seen map[string]time.Time
	// reached is the time of the newest one.
	reached time.Time
	// silent are nodes that gave no answer, and from when on theirs are missing.
	silent map[string]time.Time
	// back are those of them that have answered again.
	back map[string]time.Time
}

// newTail begins behind an answer that was shown whole.
func newTail(r *tcpb.ListEventsResponse, since time.Time) *tail {
	t := &tail{seen: map[string]time.Time{}, reached: since, silent: map[string]time.Time{}, back: map[string]time.Time{}}
	_, _ = t.take(r)
	return t
}

// take returns the events of an answer that are new, and what else is to be said. A node is
// believed of itself alone: what the one that was asked knows of a silent one, that tells
// when it is back.
func (t *tail) take(r *tcpb.ListEventsResponse) (news []*tcpb.HistoryEvent, notes []string) {
	parts, before := map[string]*tcpb.EventsPart{}, t.reached
	for _, p := range r.GetParts() {
		parts[p.GetNode()] = p
		if p.GetCut() {
			notes = append(notes, fmt.Sprintf("more than %d events at once: older ones are not shown", mostLook))
		}
	}
	for _, e := range r.GetEvents() {
		at, itself := saidAt(e, parts[e.GetNode()])
		if !itself {
			continue
		}
		key := keyOf(e, at)
		if _, told := t.seen[key]; told {
			continue
		}
		t.seen[key] = e.GetTime().AsTime()
		news = append(news, e)
		if e.GetKind() != tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION && e.GetTime().AsTime().After(t.reached) {
			t.reached = e.GetTime().AsTime()
		}
	}
	notes = append(notes, t.answers(r.GetParts(), before)...)
	maps.DeleteFunc(t.seen, func(_ string, at time.Time) bool { return at.Before(t.reached.Add(-2 * again)) })
	return news, notes
}

// saidAt is when an event was told by its teller's clock; false: that has not told it itself.
func saidAt(e *tcpb.HistoryEvent, p *tcpb.EventsPart) (at time.Time, itself bool) {
	at = e.GetTime().AsTime()
	if e.GetKind() == tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION {
		return at, true
	}
	at = at.Add(p.GetAhead().AsDuration())
	return at, p != nil && p.GetError() == "" && !at.Before(p.GetBegan().AsTime())
}

func keyOf(e *tcpb.HistoryEvent, at time.Time) string {
	what := proto.CloneOf(e)
	what.Time = timestamppb.New(at)
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(what)
	return string(b)
}

// answers tells which nodes have fallen silent, behind what was reached before, and which
// answer again.
func (t *tail) answers(parts []*tcpb.EventsPart, before time.Time) (notes []string) {
	for _, p := range parts {
		since, silent := t.silent[p.GetNode()]
		switch {
		case p.GetError() != "" && !silent:
			t.silent[p.GetNode()] = before
			notes = append(notes, p.GetNode()+" is silent: "+p.GetError())
		case p.GetError() == "" && silent:
			delete(t.silent, p.GetNode())
			t.back[p.GetNode()] = since
			note := p.GetNode() + " answers again"
			if began := p.GetBegan().AsTime().Add(-p.GetAhead().AsDuration()); began.After(since) {
				note += "; it remembers nothing before " + began.Local().Format("15:04:05")
			}
			notes = append(notes, note)
		}
	}
	return notes
}

// requests are what to ask for next: what is new, and what those tell who are back.
func (t *tail) requests(of *tcpb.ListEventsRequest) (list []*tcpb.ListEventsRequest) {
	ask := func(node string, since time.Time) {
		r := proto.CloneOf(of)
		r.Since, r.Limit = timestamppb.New(since.Add(-again)), mostLook
		if node != "" {
			r.Node = node
		}
		list = append(list, r)
	}
	ask("", t.reached)
	for node, since := range t.back {
		ask(node, since)
	}
	return list
}

// tail shows an answer, and then what happens.
func (c commands) tail(ctx context.Context, cl *client.Client, req *tcpb.ListEventsRequest, r *tcpb.ListEventsResponse) error {
	for _, e := range r.GetEvents() {
		if err := c.line(e); err != nil {
			return err
		}
	}
	if err := c.say(notes(req, r)); err != nil {
		return err
	}
	return c.follow(ctx, cl, req, newTail(r, req.GetSince().AsTime()))
}

// follow shows what happens until it is interrupted.
func (c commands) follow(ctx context.Context, cl *client.Client, req *tcpb.ListEventsRequest, t *tail) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for lost := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		answers, err := look(ctx, cl, t.requests(req))
		switch {
		case client.Interrupted(ctx):
			return nil
		case errors.As(err, new(client.AnswerError)) && !client.Refused(err, codes.Unavailable):
			return err
		case err != nil && !lost:
			err = c.say([]string{err.Error() + "; asking again"})
			lost = true
		case err != nil:
			err = nil
		case lost:
			err = c.say([]string{"the node answers again"})
			lost = false
		}
		if err = errors.Join(err, c.show(t, answers)); err != nil {
			return err
		}
	}
}

// look asks once for what is new.
func look(ctx context.Context, cl *client.Client, requests []*tcpb.ListEventsRequest) (answers []*tcpb.ListEventsResponse, err error) {
	for _, q := range requests {
		r, err := client.Unary(ctx, cl, tcpb.NewDiagnosisClient(cl.Conn).ListEvents, q)
		if err != nil {
			return nil, err
		}
		answers = append(answers, r)
	}
	return answers, nil
}

// show shows what is new in all answers of a look.
func (c commands) show(t *tail, answers []*tcpb.ListEventsResponse) error {
	if len(answers) > 0 {
		clear(t.back)
	}
	for _, r := range answers {
		news, notes := t.take(r)
		if err := c.say(notes); err != nil {
			return err
		}
		for _, e := range news {
			if err := c.line(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// line shows an event in columns that don't wait for later ones.
func (c commands) line(e *tcpb.HistoryEvent) error {
	if c.JSON() {
		return console.Encode(c.Out, newEventJSON(e))
	}
	_, err := fmt.Fprintln(c.Out, strings.TrimRight(fmt.Sprintf("%-12s  %-8s  %-13s  %-8s  %s", timeText(c.Now(), e.GetTime().AsTime()), e.GetNode(),
		e.GetKind().Word(), console.Dash(e.GetDn()), console.Paint(what(e), c.Colour())), " "))
	return err
}
