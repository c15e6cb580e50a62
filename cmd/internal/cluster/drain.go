package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// maxUnheard is how long --wait waits for a node that is not heard.
const maxUnheard = 10 * time.Second

// The JSON of node drain.
type drainingJSON struct {
	Node     string `json:"node"`
	Draining bool   `json:"draining"`
}

// The JSON of node drain --wait, one a line.
type drainJSON struct {
	Node     string `json:"node"`
	Draining bool   `json:"draining"`
	Heard    bool   `json:"heard"`
	Moved    uint64 `json:"moved"`
	Left     uint64 `json:"left"`
	Calls    uint64 `json:"calls"`
	// Until is when those that are left go out of service; "" when each registration ends.
	Until string `json:"until"`
}

// drain is one invocation of node drain.
type drain struct {
	commands
	node     string
	undo     bool
	wait     bool
	deadline time.Duration
	limited  bool

	shown drainJSON
	// began: the node was seen to drain; unheard is since when it is not heard.
	began   bool
	unheard time.Time
}

func (c commands) nodeDrainCommand() *cobra.Command {
	d := &drain{commands: c}
	cmd := c.Reading(&cobra.Command{
		Use: "drain NAME", Short: "Have a node's phones go to other nodes; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Have a node's phones go to other nodes, so that it can be stopped without losing
anybody. The node's DNs stay in service and their calls are served; registrations,
refreshes, new calls from trunks and OPTIONS are answered 503. A DN leaves when
its phone has registered at another node, or at the deadline: then it is out of
service, reason admin. --undo puts back at once all whose registration has not ended.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d.node, d.limited = args[0], cmd.Flags().Changed("deadline")
			return d.run(cmd.Context())
		},
	})
	f := cmd.Flags()
	f.BoolVar(&d.undo, "undo", false, "end the draining: the node takes registrations again")
	f.BoolVar(&d.wait, "wait", false, "show what moved and what is left, until nothing is")
	f.DurationVar(&d.deadline, "deadline", 0, "how long DNs may stay, like 30m; 0s is not at all (default: until their registrations end)")
	return cmd
}

func (d *drain) run(ctx context.Context) error {
	if d.undo && (d.wait || d.limited) {
		return console.Usagef("--undo goes with neither --wait nor --deadline")
	}
	if most := bounds.MaxDrainMS * time.Millisecond; d.deadline < 0 || d.deadline > most {
		return console.Usagef("--deadline %v: want 0s to %v", d.deadline, most)
	}
	cl, err := d.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	if d.wait {
		return console.Doing("node drain "+d.node, d.follow(ctx, cl))
	}
	if err := d.ask(ctx, cl); err != nil {
		return fmt.Errorf("node drain %s: %w", d.node, err)
	}
	if d.JSON() {
		return console.Encode(d.Out, drainingJSON{d.node, !d.undo})
	}
	word := "is draining"
	if d.undo {
		word = "takes part again"
	}
	_, err = fmt.Fprintf(d.Out, "node %s %s\n", d.node, word)
	return err
}

func (d *drain) ask(ctx context.Context, cl *client.Client) error {
	req := &tcpb.DrainNodeRequest{Name: d.node, Undo: d.undo}
	if d.limited {
		req.DeadlineMs = proto.Uint64(uint64(d.deadline.Milliseconds()))
	}
	return client.Change(ctx, cl, cl.Cluster.DrainNode, req)
}

// follow drains, and shows what becomes of it until nothing is left. It looks before
// it asks: so it counts all that move.
func (d *drain) follow(ctx context.Context, cl *client.Client) error {
	p := d.Progress("draining")
	defer p.End()
	asked := false
	err := cl.WatchNode(ctx, d.node, func(m *tcpb.WatchNodeResponse) (bool, error) {
		if !asked {
			asked = true
			return false, d.ask(ctx, cl)
		}
		return d.look(m, p)
	})
	if err != nil || d.JSON() {
		return err
	}
	p.End()
	_, err = fmt.Fprintf(d.Out, "node %s is drained: %s moved\n", d.node, count(d.shown.Moved, "DN"))
	return err
}

// look shows a moment; true at the end.
func (d *drain) look(m *tcpb.WatchNodeResponse, p *console.Progress) (done bool, err error) {
	now := drainJSON{d.node, m.GetDraining(), m.GetHeard(), m.GetMoved(), m.GetLeft(), m.GetCalls(), ""}
	if u := m.GetDrainUntil(); u != nil {
		now.Until = u.AsTime().Format(time.RFC3339)
	}
	p.Say(now.String())
	if now != d.shown {
		d.shown = now
		if err := d.print(); err != nil {
			return false, err
		}
	}
	switch {
	case now.Heard:
		d.unheard = time.Time{}
	case d.unheard.IsZero():
		d.unheard = d.Now()
	}
	switch {
	case d.began && !now.Draining:
		return false, fmt.Errorf("it was undone: %v", now)
	case now.Draining && now.Left+now.Calls == 0:
		return true, nil
	case !now.Heard && d.Now().Sub(d.unheard) > maxUnheard:
		return false, fmt.Errorf("it is not heard any more: %v", now)
	}
	d.began = d.began || now.Draining
	return false, nil
}

// print adds a line where nobody sees the progress.
func (d *drain) print() error {
	switch {
	case d.JSON():
		return console.Encode(d.Out, d.shown)
	case d.IsTerminal(d.Err):
		return nil
	}
	_, err := fmt.Fprintln(d.Out, d.shown)
	return err
}

func (j drainJSON) String() string {
	s := fmt.Sprintf("moved %d, left %d, calls up %d", j.Moved, j.Left, j.Calls)
	if j.Until != "" {
		s += ", until " + j.Until
	}
	if !j.Heard {
		s += ", not heard"
	}
	return s
}
