package dn

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
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

func (c commands) dnWatchCommand() *cobra.Command {
	var f filterFlags
	var own bool
	cmd := c.Reading(&cobra.Command{
		Use: "watch", Short: "Follow DNs as they go in and out of service", Args: cobra.NoArgs,
		Long: `Print the present state of the DNs, then every change as the asked node sees it,
until interrupted. A lost connection is made again and the stream resumed; after
a restart of the node it begins with a new snapshot.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if err := cl.Known(cmd.Context(), &f.filter); err != nil {
				return fmt.Errorf("dn watch: %w", err)
			}
			w := &client.Watcher{Client: cl, Req: &tcpb.WatchRequest{Filter: &f.filter, OwnOnly: own}, View: &dnLines{con: c.Console}}
			if err := w.Run(cmd.Context()); err != nil {
				return fmt.Errorf("dn watch: %w", err)
			}
			return nil
		},
	})
	f.add(cmd, false)
	cmd.Flags().BoolVar(&own, "own", false, "only DNs that the asked node owns")
	return cmd
}

// dnLines prints a line for each event.
type dnLines struct {
	con *console.Console
	// headed: the table's head was printed.
	headed bool
}

// Started prints nothing.
func (*dnLines) Started(*tcpb.WatchStarted) {}

// Found prints nothing: what comes tells it.
func (*dnLines) Found() {}

func (d *dnLines) Lost(err error) {
	fmt.Fprintf(d.con.Err, "sipcluster: dn watch: %v; reconnecting\n", err)
}

func (d *dnLines) Event(e *tcpb.DNEvent) error {
	if d.con.JSON() {
		return console.Encode(d.con.Out, newEventJSON(e))
	}
	if err := d.head(); err != nil {
		return err
	}
	at := d.con.Now() // of a change: when it was heard here
	if e.Snapshot {
		at = e.Time.AsTime() // since when it has been so
	}
	return watchLine(d.con.Out, at, e, d.con.Colour())
}

func newEventJSON(e *tcpb.DNEvent) eventJSON {
	return eventJSON{view.EventName(e), e.Dn, view.StateName(e.State), e.Owner, view.ReasonName(e.Reason), view.RFC3339(e.Time), e.Seq, e.Snapshot}
}

func (d *dnLines) EndOfSnapshot(seq uint64) error {
	if d.con.JSON() {
		return console.Encode(d.con.Out, eventJSON{Event: "EndOfSnapshot", Seq: seq})
	}
	if err := d.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.con.Out, console.Paint(console.Tinted("-- end of snapshot; changes follow --", console.Dim), d.con.Colour()))
	return err
}

func (d *dnLines) head() error {
	if d.headed {
		return nil
	}
	d.headed = true
	_, err := fmt.Fprintln(d.con.Out, console.Paint(console.Tinted(fmt.Sprintf("%-12s  %-7s  %-12s  %-8s  %-8s  %s", "TIME", "STATE", "DN", "OWNER", "SITE", "REASON"), console.Dim), d.con.Colour()))
	return err
}

// watchLine prints an event in columns that don't wait for later lines.
func watchLine(out io.Writer, at time.Time, e *tcpb.DNEvent, colour bool) error {
	clock := "-"
	if at.Unix() > 0 {
		clock = at.Local().Format("15:04:05.000")
	}
	state := view.StateCell(e.State)
	state.Text = fmt.Sprintf("%-7s", state.Text)
	_, err := fmt.Fprintf(out, "%-12s  %s  %-12s  %-8s  %-8s  %s\n", clock, console.Paint(state, colour), e.Dn, console.Dash(e.Owner), console.Dash(e.Site), view.ReasonName(e.Reason))
	return err
}
