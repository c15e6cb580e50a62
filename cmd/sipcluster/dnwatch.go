package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// eventJSON is a line of dn watch; names and order are a contract.
type eventJSON struct {
	Event    string `json:"event"`
	DN       string `json:"dn"`
	State    string `json:"state"`
	Owner    string `json:"owner"`
	Reason   string `json:"reason"`
	Time     string `json:"time"`
	Seq      uint64 `json:"seq"`
	Snapshot bool   `json:"snapshot,omitempty"`
}

func (c *cli) dnWatchCommand() *cobra.Command {
	var f filterFlags
	var own bool
	cmd := c.reading(&cobra.Command{
		Use: "watch", Short: "Follow DNs as they go in and out of service", Args: cobra.NoArgs,
		Long: `Print the present state of the DNs, then every change as the asked node sees it,
until interrupted. A lost connection is made again and the stream resumed; after
a restart of the node it begins with a new snapshot.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			w := &watcher{client: cl, req: &tcpb.WatchRequest{Filter: &f.filter, OwnOnly: own}, view: &dnLines{cli: c}}
			if err := w.run(cmd.Context()); err != nil {
				return fmt.Errorf("dn watch: %w", err)
			}
			return nil
		},
	})
	f.add(cmd, false)
	cmd.Flags().BoolVar(&own, "own", false, "only DNs that the asked node owns")
	return cmd
}

// watcher follows one node's stream over as many connections as it takes.
type watcher struct {
	client *client
	req    *tcpb.WatchRequest
	view   view
	// began: the node answered at least once.
	began bool
	// told: the connection is lost, and the view knows.
	told bool
}

// view shows what a node tells.
type view interface {
	// started: a snapshot follows unless the stream goes on where it was.
	started(s *tcpb.WatchStarted)
	event(e *tcpb.DNEvent) error
	endOfSnapshot(seq uint64) error
	// lost is told once for a lost connection, found when there is one again.
	lost(err error)
	found()
}

// run ends without error when interrupted; it fails when the first connection does.
func (w *watcher) run(ctx context.Context) error {
	for {
		err := w.client.explain(w.follow(ctx))
		if interrupted(ctx) {
			return nil
		}
		if !w.began || errors.As(err, new(answerError)) && !refused(err, codes.Unavailable) {
			return err
		}
		if !w.told {
			w.told = true
			w.view.lost(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func interrupted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// follow reads one connection's stream until it breaks.
func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := newDeadline(max(w.client.timeout, 3*time.Second), cancel)
	defer silence.stop()
	stream, err := w.client.availability.Watch(ctx, w.req)
	if err != nil {
		return silence.judge(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return silence.judge(err)
		}
		silence.extend()
		w.began = true
		if w.told {
			w.told = false
			w.view.found()
		}
		if err := w.show(m); err != nil {
			return err
		}
	}
}

func (w *watcher) show(m *tcpb.WatchResponse) error {
	switch b := m.Body.(type) {
	case *tcpb.WatchResponse_Started:
		w.req.ResumeIncarnation = b.Started.Incarnation
		if !b.Started.Resumed {
			w.req.ResumeSeq = 0 // only a whole snapshot can be resumed behind
		}
		w.view.started(b.Started)
	case *tcpb.WatchResponse_Events:
		return w.events(b.Events.Events)
	case *tcpb.WatchResponse_EndOfSnapshot:
		w.req.ResumeSeq = b.EndOfSnapshot.Seq
		return w.view.endOfSnapshot(b.EndOfSnapshot.Seq)
	case *tcpb.WatchResponse_Heartbeat:
		w.req.ResumeSeq = b.Heartbeat.Seq
	}
	return nil
}

func (w *watcher) events(events []*tcpb.DNEvent) error {
	for _, e := range events {
		if !e.Snapshot {
			w.req.ResumeSeq = e.Seq
		}
		if err := w.view.event(e); err != nil {
			return err
		}
	}
	return nil
}

// dnLines prints a line for each event.
type dnLines struct {
	cli *cli
	// headed: the table's head was printed.
	headed bool
}

func (*dnLines) started(*tcpb.WatchStarted) {}
func (*dnLines) found()                     {}

func (d *dnLines) lost(err error) {
	fmt.Fprintf(d.cli.err, "sipcluster: dn watch: %v; reconnecting\n", err)
}

func (d *dnLines) event(e *tcpb.DNEvent) error {
	if d.cli.json() {
		return encode(d.cli.out, newEventJSON(e))
	}
	if err := d.head(); err != nil {
		return err
	}
	at := d.cli.now() // of a change: when it was heard here
	if e.Snapshot {
		at = e.Time.AsTime() // since when it has been so
	}
	return watchLine(d.cli.out, at, e, d.cli.colour())
}

func newEventJSON(e *tcpb.DNEvent) eventJSON {
	return eventJSON{eventName(e), e.Dn, stateName(e.State), e.Owner, reasonName(e.Reason), rfc3339(e.Time), e.Seq, e.Snapshot}
}

// eventName is the T-Library's name of the event.
func eventName(e *tcpb.DNEvent) string {
	if e.State == tcpb.DNState_DN_STATE_IN_SRV {
		return "EventDNBackInService"
	}
	return "EventDNOutOfService"
}

func (d *dnLines) endOfSnapshot(seq uint64) error {
	if d.cli.json() {
		return encode(d.cli.out, eventJSON{Event: "EndOfSnapshot", Seq: seq})
	}
	if err := d.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.cli.out, paint(tinted("-- end of snapshot; changes follow --", dim), d.cli.colour()))
	return err
}

func (d *dnLines) head() error {
	if d.headed {
		return nil
	}
	d.headed = true
	_, err := fmt.Fprintln(d.cli.out, paint(tinted(fmt.Sprintf("%-12s  %-7s  %-12s  %-8s  %-8s  %s", "TIME", "STATE", "DN", "OWNER", "SITE", "REASON"), dim), d.cli.colour()))
	return err
}

// watchLine prints an event in columns that don't wait for later lines.
func watchLine(out io.Writer, at time.Time, e *tcpb.DNEvent, colour bool) error {
	clock := "-"
	if at.Unix() > 0 {
		clock = at.Local().Format("15:04:05.000")
	}
	state := stateCell(e.State)
	state.text = fmt.Sprintf("%-7s", state.text)
	_, err := fmt.Fprintf(out, "%-12s  %s  %-12s  %-8s  %-8s  %s\n", clock, paint(state, colour), e.Dn, dash(e.Owner), dash(e.Site), reasonName(e.Reason))
	return err
}
