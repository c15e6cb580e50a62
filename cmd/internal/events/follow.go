package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

const (
	// silentFor is how long a node says nothing to who follows it, at most: each 15 s it says
	// that nothing happened.
	silentFor = 20 * time.Second
	// againAfter is when a node that was lost is asked again.
	againAfter = time.Second
)

// tail shows a list, and then what happens.
func (c commands) tail(ctx context.Context, cl *client.Client, req *tcpb.ListEventsRequest, r *tcpb.ListEventsResponse) error {
	for _, e := range r.GetEvents() {
		if err := c.line(e); err != nil {
			return err
		}
	}
	if err := c.say(notes(req, r)); err != nil {
		return err
	}
	f := follower{commands: c, cl: cl, req: &tcpb.WatchEventsRequest{
		Dn: req.GetDn(), Group: req.GetGroup(), Agent: req.GetAgent(), ConnId: req.GetConnId(), Kinds: req.GetKinds(), Node: req.GetNode(), Cursor: r.GetCursor(),
	}}
	return f.run(ctx)
}

// follower shows what happens, and goes on where it was when the node was lost.
type follower struct {
	commands
	cl  *client.Client
	req *tcpb.WatchEventsRequest
	// lost: the connection is lost, and that was said.
	lost bool
}

// run ends without error when interrupted.
func (f *follower) run(ctx context.Context) error {
	for {
		err := f.cl.Explain(client.Stream(ctx, f.cl, silentFor, func(ctx context.Context) (grpc.ServerStreamingClient[tcpb.WatchEventsResponse], error) {
			return tcpb.NewDiagnosisClient(f.cl.Conn).WatchEvents(ctx, f.req)
		}, f.show))
		switch {
		case client.Interrupted(ctx):
			return nil
		case client.Refused(err, codes.Unimplemented):
			return errors.New("the node's version does not tell of events as they happen: ask one of this program's version, or leave --follow out")
		case errors.As(err, new(client.AnswerError)) && !client.Refused(err, codes.Unavailable):
			return err
		}
		if !f.lost {
			f.lost = true
			if err := f.say([]string{err.Error() + "; asking again"}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(againAfter):
		}
	}
}

// show shows a message of the stream.
func (f *follower) show(m *tcpb.WatchEventsResponse) error {
	var said []string
	if f.lost {
		f.lost = false
		said = append(said, "the node answers again")
	}
	for _, n := range m.GetNodes() {
		said = append(said, nodeNote(n))
	}
	if err := f.say(said); err != nil {
		return err
	}
	for _, e := range m.GetEvents() {
		if err := f.line(e); err != nil {
			return err
		}
	}
	f.req.Cursor = m.GetCursor()
	return nil
}

// nodeNote is what is to be said of a node.
func nodeNote(n *tcpb.EventsNode) string {
	note := n.GetNode()
	switch {
	case n.GetError() != "":
		return note + " is silent: " + console.OneLine(n.GetError())
	case n.GetBack():
		note += " answers again"
	default:
		note += " was started again, or has no room for all that happens"
	}
	if n.GetLostBefore() != nil {
		note += "; it remembers nothing before " + n.GetLostBefore().AsTime().Local().Format("15:04:05")
	}
	return note
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
