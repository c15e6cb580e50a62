package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// watchJSON is a line of watch; names and order are a contract.
type watchJSON struct {
	Event    string     `json:"event"`
	DN       string     `json:"dn"`
	State    string     `json:"state"`
	Owner    string     `json:"owner"`
	Site     string     `json:"site"`
	Reason   string     `json:"reason"`
	Time     string     `json:"time"`
	Seq      uint64     `json:"seq"`
	Routable bool       `json:"routable"`
	Busy     bool       `json:"busy"`
	Reserved bool       `json:"reserved"`
	Agent    *agentJSON `json:"agent,omitempty"`
	Snapshot bool       `json:"snapshot,omitempty"`
}

func (c *cli) watchCommand() *cobra.Command {
	var f tcpb.Filter
	var own bool
	cmd := c.reading(&cobra.Command{
		Use: "watch", Short: "A live board: DNs, their agents, and who can take a call", Args: cobra.NoArgs,
		Long: `Show every DN with its agent as the asked node sees it, live, until interrupted:
a board on a terminal, a line for each event elsewhere. When the connection is
lost it is made again, and the board goes on.

With -o json each line is one event:
  {"event","dn","state","owner","site","reason","time","seq","routable","busy","reserved","agent","snapshot"}
event is EventDNBackInService, EventDNOutOfService, EventAgentLogin,
EventAgentReady, EventAgentNotReady, EventAgentLogout, UseChanged (busy or
reserved began or ended) or EndOfSnapshot. The rest is the DN's status after the
event; time is since when its state, or at an agent's event the agent's state, is
so. agent is {"id","state","work_mode","reasons","since"}, left out when nobody
ever logged in; snapshot is true in the rows before EndOfSnapshot.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			w := &watcher{client: cl, req: &tcpb.WatchRequest{Filter: &f, OwnOnly: own, Agents: true}, view: &eventLines{cli: c}}
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

// watch runs the watcher, with a board when there is a terminal for it.
func (c *cli) watch(ctx context.Context, w *watcher, f *tcpb.Filter) error {
	if c.json() || !c.isTerminal(c.out) {
		return w.run(ctx)
	}
	b := newBoard(c.out, c.now, c.screen, c.colour(), w.req)
	w.view = b
	b.open()
	ctx, cancel := context.WithCancel(ctx)
	b.list = func(add func(*tcpb.DNStatus) error) error { return w.client.eachDN(ctx, f, false, add) }
	drawn := make(chan error, 1)
	go func() {
		defer cancel()
		drawn <- b.run(ctx)
	}()
	err := w.run(ctx)
	cancel()
	if drawErr := <-drawn; err == nil {
		err = drawErr
	}
	b.close()
	return err
}

// eventLines prints a line for each event, for people or as JSON.
type eventLines struct {
	cli    *cli
	headed bool
}

func (*eventLines) started(*tcpb.WatchStarted) {}

func (l *eventLines) lost(err error) {
	fmt.Fprintf(l.cli.err, "sipcluster: watch: %v; trying again\n", err)
}

func (l *eventLines) found() { fmt.Fprintln(l.cli.err, "sipcluster: watch: connected again") }

func (l *eventLines) event(e *tcpb.DNEvent) error {
	if l.cli.json() {
		return encode(l.cli.out, newWatchJSON(e))
	}
	if err := l.head(); err != nil {
		return err
	}
	clock := l.cli.now().Local().Format("15:04:05.000")
	if e.Snapshot {
		clock = "-"
	}
	return l.line(clock, watchEventName(e), e)
}

func (l *eventLines) endOfSnapshot(seq uint64) error {
	if l.cli.json() {
		return encode(l.cli.out, watchJSON{Event: "EndOfSnapshot", Seq: seq})
	}
	if err := l.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(l.cli.out, "-- end of snapshot; changes follow --")
	return err
}

func (l *eventLines) head() error {
	if l.headed {
		return nil
	}
	l.headed = true
	_, err := fmt.Fprintf(l.cli.out, watchColumns, "TIME", "EVENT", "STATE", "DN", "OWNER", "SITE", "USE", "REASON", "AGENT")
	return err
}

// watchColumns don't wait for later lines.
const watchColumns = "%-12s  %-20s  %-7s  %-12s  %-8s  %-8s  %-8s  %-12s  %s\n"

func (l *eventLines) line(clock, event string, e *tcpb.DNEvent) error {
	_, err := fmt.Fprintf(l.cli.out, watchColumns, clock, event, stateCell(e.State).text, e.Dn,
		dash(e.Owner), dash(e.Site), dash(useName(e.Busy, e.Reserved)), dash(reasonName(e.Reason)), agentCell(e.Agent).text)
	return err
}

func newWatchJSON(e *tcpb.DNEvent) watchJSON {
	at := e.Time
	if e.Change == tcpb.Change_CHANGE_AGENT && !e.Snapshot {
		at = e.Agent.GetSince()
	}
	return watchJSON{
		watchEventName(e), e.Dn, stateName(e.State), e.Owner, e.Site, reasonName(e.Reason), rfc3339(at), e.Seq,
		e.Routable, e.Busy, e.Reserved, newAgentJSON(e.Agent), e.Snapshot,
	}
}

// watchEventName is the T-Library's name of the event where it has one.
func watchEventName(e *tcpb.DNEvent) string {
	switch {
	case e.Snapshot || e.Change <= tcpb.Change_CHANGE_STATE:
		return eventName(e)
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
	return e.Reason == tcpb.Reason_REASON_DELETED && e.State == oos ||
		owner != "" && e.Owner != owner || req.GetOwnOnly() && e.Owner != node
}
