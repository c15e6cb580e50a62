// Package watch is the live view of DNs, agents and calls: a board on a terminal,
// lines elsewhere.
package watch

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// watchJSON is a line of watch; names and order are a contract.
type watchJSON struct {
	Event    string          `json:"event"`
	DN       string          `json:"dn"`
	State    string          `json:"state"`
	Owner    string          `json:"owner"`
	Site     string          `json:"site"`
	Reason   string          `json:"reason"`
	Time     string          `json:"time"`
	Seq      uint64          `json:"seq"`
	Routable bool            `json:"routable"`
	Busy     bool            `json:"busy"`
	Reserved bool            `json:"reserved"`
	Agent    *view.AgentJSON `json:"agent,omitempty"`
	Snapshot bool            `json:"snapshot,omitempty"`

	DoNotDisturb bool               `json:"do_not_disturb"`
	CoolDown     *view.CoolDownJSON `json:"cool_down"`
	Uses         view.UsesJSON      `json:"uses"`
}

// Command is watch.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	var f tcpb.Filter
	var own bool
	cmd := c.Reading(&cobra.Command{
		Use: "watch", Short: "Show a live board: DNs, their agents and calls, and where a call can go", Args: cobra.NoArgs,
		Long: `Show every DN with its agent and its call as the asked node sees them, live, until
interrupted: a board on a terminal, a line for each event elsewhere. A lost
connection is made again. On the board / filters, s orders, Enter tells why a DN gets
calls or none, ? names the other keys; while a node is lost, what is out of service is
first, and DNs that are created or deleted come and go within a second or two.

With -o json each line is one event:
  {"event","dn","state","owner","site","reason","time","seq","routable","busy","reserved","agent","snapshot"}
event is EventDNBackInService, EventDNOutOfService, EventDNOwnerChanged (it went on by
its phone's other registration, in service all the time), EventAgentLogin, EventAgentReady,
EventAgentNotReady, EventAgentLogout, UseChanged (busy or reserved began or ended, or
the phone does not answer, or does again) or EndOfSnapshot. The rest is the DN's
status after the event; time is since when its state, or at an agent's event the
agent's state, is so. agent is {"id","state","work_mode","reasons","since"}, left out
when nobody ever logged in; snapshot is true in the rows before EndOfSnapshot. The
lines of a DN that is in a call are
  {"event","dn","call_state","conn_id","other_dn","role","ani","dnis","node","site","time","call_seq","cause","reason","snapshot"}
event is EventRinging, EventEstablished, EventReleased or EventAbandoned, and
call_state ringing, established, released or abandoned; other_dn is with whom, and
node and site are where the call arrived. cause is the SIP status code that ended
it; reason is node-lost when that node died, or missed when the connection to the
asked node was lost and the end was missed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if err := cl.Known(cmd.Context(), &f); err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			w := &client.Watcher{Client: cl, Req: &tcpb.WatchRequest{Filter: &f, OwnOnly: own, Agents: true}}
			if err := c.watch(cmd.Context(), w, &f); err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			return nil
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&f.Group, "group", "", "only DNs of this agent `GROUP`")
	flags.StringVar(&f.Owner, "owner", "", "only DNs owned by this `NODE`")
	flags.BoolVar(&own, "own", false, "only DNs that the asked node owns")
	return cmd
}

// callView shows what a node tells of calls.
type callView interface{ call(e *tlibpb.Event) error }

// watch shows DNs and calls, on a board when there is a terminal for it.
func (c commands) watch(ctx context.Context, w *client.Watcher, f *tcpb.Filter) error {
	if c.JSON() || !c.IsTerminal(c.Out) {
		lines := newEventLines(c.Console, w.Req)
		w.View = lines
		return c.watchBoth(ctx, w, f, lines)
	}
	r := newRows(w.Req)
	w.View = r
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := make(chan error, 1)
	go func() {
		defer cancel()
		shown <- newScreen(r, c.asks(ctx, w.Client, f), c.Now, c.Colour()).run(ctx, c.terminal()...)
	}()
	err := c.watchBoth(ctx, w, f, r)
	cancel()
	if screenErr := <-shown; err == nil {
		err = screenErr
	}
	return err
}

// asks are the questions of a board, to the node that it watches.
func (c commands) asks(ctx context.Context, cl *client.Client, f *tcpb.Filter) asks {
	return asks{
		status: func() (*tcpb.StatusResponse, error) {
			return client.Unary(ctx, cl, cl.Cluster.Status, &tcpb.StatusRequest{})
		},
		list: func(group string) (all []*tcpb.DNStatus, err error) {
			of := f
			if group != "" {
				of = &tcpb.Filter{Group: group}
			}
			err = cl.EachDN(ctx, of, false, func(d *tcpb.DNStatus) error {
				all = append(all, d)
				return nil
			})
			return all, err
		},
		why: func(dn string) (*tcpb.ExplainDNResponse, error) {
			return client.Unary(ctx, cl, tcpb.NewDiagnosisClient(cl.Conn).ExplainDN, &tcpb.ExplainDNRequest{Dn: dn, Changes: 20})
		},
	}
}

// terminal is where the board is shown, and whose keys it obeys: none when what is read
// is no terminal.
func (c commands) terminal() []tea.ProgramOption {
	options := []tea.ProgramOption{tea.WithOutput(c.Out), tea.WithInput(nil)}
	if c.IsTerminal(c.In) {
		options[1] = tea.WithInput(c.In)
	}
	if !c.Colour() {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	return options
}

// watchBoth shows the calls that are up, then the DNs, then what happens to both,
// until interrupted.
func (c commands) watchBoth(ctx context.Context, w *client.Watcher, f *tcpb.Filter, to callView) error {
	d, err := c.OpenDesk(ctx, true)
	if err == nil {
		defer d.Close()
		err = callsUp(ctx, d, f.GetGroup(), to)
	}
	if err != nil {
		if client.Interrupted(ctx) {
			return nil
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- followCalls(ctx, d, to)
	}()
	err = w.Run(ctx)
	cancel()
	if callErr := <-ended; err == nil {
		err = callErr
	}
	return err
}

// callsUp asks for the calls of a group's DNs, or of all, and shows those that are
// up.
func callsUp(ctx context.Context, d *client.Desk, group string, to callView) error {
	ctx, cancel := d.Node.Call(ctx)
	defer cancel()
	filter := &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_CALL}, Group: group}
	if err := d.MonitorAll(ctx, filter); err != nil {
		return d.Explain(err)
	}
	for e, err := range d.Events(ctx) {
		if err != nil {
			return d.Explain(err)
		}
		if err := to.call(e); err != nil || e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
			return err
		}
	}
	return nil
}

// followCalls shows what happens to calls until the context ends. The session
// comes back by itself when its connection is lost.
func followCalls(ctx context.Context, d *client.Desk, to callView) error {
	for e, err := range d.Events(ctx) {
		switch {
		case client.Interrupted(ctx):
			return nil
		case err != nil:
			return d.Explain(err)
		}
		if err := to.call(e); err != nil {
			return err
		}
	}
	return nil
}

func newWatchJSON(e *tcpb.DNEvent) watchJSON {
	at := e.Time
	if e.Change == tcpb.Change_CHANGE_AGENT && !e.Snapshot {
		at = e.Agent.GetSince()
	}
	return watchJSON{
		watchEventName(e), e.Dn, view.StateName(e.State), e.Owner, e.Site, view.ReasonName(e.Reason), view.RFC3339(at), e.Seq,
		e.Routable, e.Busy, e.Reserved, view.NewAgentJSON(e.Agent), e.Snapshot,
		e.DoNotDisturb, view.NewCoolDownJSON(e.CoolDown), view.NewUsesJSON(e.Uses),
	}
}

// watchEventName is the T-Library's name of the event where it has one.
func watchEventName(e *tcpb.DNEvent) string {
	switch {
	case e.Snapshot || e.Change <= tcpb.Change_CHANGE_STATE || e.Change == tcpb.Change_CHANGE_OWNER:
		return view.EventName(e)
	case e.Change == tcpb.Change_CHANGE_USE:
		return "UseChanged"
	}
	switch e.Agent.GetState() {
	case tcpb.AgentState_AGENT_STATE_LOGGED_IN:
		return "EventAgentLogin"
	case tcpb.AgentState_AGENT_STATE_READY:
		return "EventAgentReady"
	case tcpb.AgentState_AGENT_STATE_NOT_READY:
		return "EventAgentNotReady"
	}
	return "EventAgentLogout"
}

// leaves tells whether the event takes the DN out of what was asked for.
func leaves(req *tcpb.WatchRequest, node string, e *tcpb.DNEvent) bool {
	owner := req.GetFilter().GetOwner()
	return e.Reason == tcpb.Reason_REASON_DELETED && e.State == view.OOS ||
		owner != "" && e.Owner != owner || req.GetOwnOnly() && e.Owner != node
}
