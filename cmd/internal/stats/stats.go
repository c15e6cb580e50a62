// Package stats has the commands that show what agents do, by group, and which calls
// wait for them.
package stats

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

type commands struct{ *client.Operator }

// Command is "stats".
func Command(o *client.Operator) *cobra.Command {
	c := commands{o}
	cmd := console.Group("stats", "What agents do, by group, and which calls wait for them")
	cmd.AddCommand(c.groupsCommand(), c.waitingCommand())
	return cmd
}

// groupJSON is what is said of a group at a site; names and order are a contract.
type groupJSON struct {
	Group        string            `json:"group"`
	Site         string            `json:"site"`
	Ready        uint32            `json:"ready"`
	Reserved     uint32            `json:"reserved"`
	Ringing      uint32            `json:"ringing"`
	Busy         uint32            `json:"busy"`
	WrapUp       uint32            `json:"wrap_up"`
	NotReady     uint32            `json:"not_ready"`
	Reasons      map[string]uint32 `json:"not_ready_reasons"`
	LoggedOut    uint32            `json:"logged_out"`
	Unresponsive uint32            `json:"unresponsive"`
	OutOfService uint32            `json:"out_of_service"`
	Waiting      uint32            `json:"waiting"`
	Oldest       string            `json:"oldest_waiting"`
}

// waitingJSON is a call that waits; names and order are a contract.
type waitingJSON struct {
	ConnID       string `json:"conn_id"`
	RoutingPoint string `json:"routing_point"`
	Group        string `json:"group"`
	Since        string `json:"since"`
	Node         string `json:"node"`
	Site         string `json:"site"`
	Caller       string `json:"caller"`
	Called       string `json:"called"`
}

func (c commands) groupsCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "groups [GROUP...]", Short: "Show what the agents of groups do, and how many calls wait for them",
		Long: `Show what the agents of groups do, and how many calls wait for them, by the site of the
nodes that have them, as the asked node sees the cluster. The line without a group is for
all agents' DNs, each once. Without a site are those that are out of service.

With -o json an array of {"group","site","ready","reserved","ringing","busy","wrap_up",
"not_ready","not_ready_reasons","logged_out","unresponsive","out_of_service","waiting",
"oldest_waiting"}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return console.Doing(strings.Join(append([]string{"stats groups"}, args...), " "), c.groups(cmd.Context(), args))
		},
	})
}

func (c commands) groups(ctx context.Context, names []string) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, tcpb.NewStatisticsClient(cl.Conn).GetGroups, &tcpb.GetGroupsRequest{Groups: names})
	if err != nil {
		return err
	}
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, g := range r.GetRows() {
			if err := a.Add(newGroupJSON(g)); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"GROUP", "SITE", "READY", "RESERVED", "RINGING", "BUSY", "WRAP-UP", "NOT READY", "LOGGED OUT", "OOS", "WAITING", "OLDEST"}}
	t.Right = map[int]bool{}
	for i := 2; i < len(t.Head); i++ {
		t.Right[i] = true
	}
	for _, g := range r.GetRows() {
		oldest := "-"
		if g.GetOldestWaiting() != nil {
			oldest = view.Age(c.Now(), g.GetOldestWaiting())
		}
		cells := []console.Cell{console.Text(console.Dash(g.GetGroup())), console.Text(console.Dash(g.GetSite()))}
		for _, n := range []uint32{g.GetReady(), g.GetReserved(), g.GetRinging(), g.GetBusy(), g.GetWrapUp(), g.GetNotReady(), g.GetLoggedOut(), g.GetOutOfService() + g.GetUnresponsive(), g.GetWaiting()} {
			cells = append(cells, number(n))
		}
		t.Add(append(cells, console.Text(oldest))...)
	}
	return c.Print(t)
}

// number is a cell that stands back when there is nothing to count.
func number(n uint32) console.Cell {
	if n == 0 {
		return console.Tinted("0", console.Dim)
	}
	return console.Text(strconv.FormatUint(uint64(n), 10))
}

func newGroupJSON(g *tcpb.GroupStatistics) groupJSON {
	j := groupJSON{
		Group: g.GetGroup(), Site: g.GetSite(), Ready: g.GetReady(), Reserved: g.GetReserved(), Ringing: g.GetRinging(), Busy: g.GetBusy(),
		WrapUp: g.GetWrapUp(), NotReady: g.GetNotReady(), Reasons: g.GetNotReadyReasons(), LoggedOut: g.GetLoggedOut(),
		Unresponsive: g.GetUnresponsive(), OutOfService: g.GetOutOfService(), Waiting: g.GetWaiting(),
	}
	if j.Reasons == nil {
		j.Reasons = map[string]uint32{}
	}
	if g.GetOldestWaiting() != nil {
		j.Oldest = view.RFC3339(g.GetOldestWaiting())
	}
	return j
}

func (c commands) waitingCommand() *cobra.Command {
	r := &tcpb.ListWaitingRequest{}
	cmd := c.Reading(&cobra.Command{
		Use: "waiting", Short: "List the calls that wait at routing points of all nodes", Args: cobra.NoArgs,
		Long: `List the calls that wait at routing points of all nodes, the oldest first, as the
asked node sees the cluster. A call without a group waits for a router's word.

With -o json an array of
  {"conn_id","routing_point","group","since","node","site","caller","called"}`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Doing("stats waiting", c.waiting(cmd.Context(), r))
		},
	})
	cmd.Flags().StringVar(&r.Group, "group", "", "only those that wait for an agent of this `GROUP`")
	cmd.Flags().StringVar(&r.RoutingPoint, "routing-point", "", "only those at this routing point `DN`")
	return cmd
}

func (c commands) waiting(ctx context.Context, req *tcpb.ListWaitingRequest) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, tcpb.NewStatisticsClient(cl.Conn).ListWaiting, req)
	if err != nil {
		return err
	}
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, w := range r.GetCalls() {
			if err := a.Add(waitingJSON{w.GetConnId(), w.GetRoutingPoint(), w.GetGroup(), view.RFC3339(w.GetSince()), w.GetNode(), w.GetSite(), w.GetAni(), w.GetDnis()}); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"CONNID", "ROUTING POINT", "GROUP", "CALLER", "FOR", "NODE", "SITE"}}
	for _, w := range r.GetCalls() {
		t.Add(console.Text(w.GetConnId()), console.Text(w.GetRoutingPoint()), console.Text(console.Dash(w.GetGroup())), console.Text(console.Dash(w.GetAni())),
			console.Text(view.Age(c.Now(), w.GetSince())), console.Text(w.GetNode()), console.Text(w.GetSite()))
	}
	return c.Print(t)
}
