package call

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// callJSON is a call that is up, or waits; names and order are a contract.
type callJSON struct {
	ConnID        string            `json:"conn_id"`
	Node          string            `json:"node"`
	Site          string            `json:"site"`
	Type          string            `json:"type"`
	From          string            `json:"from"`
	Caller        string            `json:"caller"`
	Called        string            `json:"called"`
	Began         string            `json:"began"`
	Parties       []partyJSON       `json:"parties"`
	Queue         *queueJSON        `json:"queue,omitempty"`
	LastQueue     string            `json:"last_queue"`
	GoesOn        string            `json:"goes_on,omitempty"`
	TransferredBy string            `json:"transferred_by,omitempty"`
	UserData      map[string]string `json:"user_data,omitempty"`
}

type partyJSON struct {
	DN        string `json:"dn"`
	Role      string `json:"role"`
	State     string `json:"state"`
	Since     string `json:"since"`
	HeldSince string `json:"held_since,omitempty"`
	Other     string `json:"other"`
	Node      string `json:"node,omitempty"`
}

type queueJSON struct {
	RoutingPoint string `json:"routing_point"`
	Group        string `json:"group"`
	Since        string `json:"since"`
}

const callJSONHelp = `{"conn_id","node","site","type","from","caller","called","began",
   "parties":[{"dn","role","state","since","held_since","other","node"}],
   "queue":{"routing_point","group","since"},"last_queue","goes_on","transferred_by"}`

func newCallJSON(c *tcpb.CallInfo) callJSON {
	j := callJSON{
		ConnID: c.GetConnId(), Node: c.GetNode(), Site: c.GetSite(), Type: c.GetKind().Word(), From: c.GetCaller(), Caller: c.GetAni(), Called: c.GetDnis(),
		Began: view.RFC3339(c.GetBegan()), Parties: []partyJSON{}, LastQueue: c.GetLastQueue(), GoesOn: c.GetGoesOn(), TransferredBy: c.GetTransferredBy(),
	}
	for _, p := range c.GetParties() {
		j.Parties = append(j.Parties, partyJSON{p.GetDn(), roleOf(p), p.GetState().Word(), view.RFC3339(p.GetSince()), view.RFC3339(p.GetHeldSince()), p.GetOther(), p.GetNode()})
	}
	if q := c.GetQueue(); q != nil {
		j.Queue = &queueJSON{q.GetRoutingPoint(), q.GetGroup(), view.RFC3339(q.GetSince())}
	}
	return j
}

func roleOf(p *tcpb.CallParty) string {
	if p.GetCaller() {
		return "caller"
	}
	return "called"
}

func (c commands) listCommand() *cobra.Command {
	r := &tcpb.ListCallsRequest{}
	cmd := c.Reading(&cobra.Command{
		Use: "list", Short: "List the calls that are up or wait, of all nodes", Args: cobra.NoArgs,
		Long: `List the calls that are up or wait, of all nodes, the oldest first, as the asked node
knows them. A call that nobody was rung for yet is listed only while it waits.

With -o json an array of
  ` + callJSONHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return console.Doing("call list", c.list(cmd.Context(), r))
		},
	})
	f := cmd.Flags()
	f.StringVar(&r.Dn, "dn", "", "only those of this `DN`: a party, or the trunk by which they came")
	f.StringVar(&r.Node, "node", "", "only those that this `NODE` has")
	f.StringVar(&r.RoutingPoint, "routing-point", "", "only those that wait, or waited last, at this routing point `DN`")
	f.BoolVar(&r.Waiting, "waiting", false, "only those that wait")
	return cmd
}

// callPage is how many calls are asked for at a time.
const callPage = 5_000

func (c commands) list(ctx context.Context, req *tcpb.ListCallsRequest) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	show, end := c.lister()
	for req.PageSize = callPage; ; {
		r, err := client.Unary(ctx, cl, tcpb.NewCallsClient(cl.Conn).ListCalls, req)
		if err != nil {
			return err
		}
		for _, x := range r.GetCalls() {
			if err := show(x); err != nil {
				return err
			}
		}
		if req.PageToken = r.GetNextPageToken(); req.PageToken == "" {
			return end()
		}
	}
}

// lister shows calls one by one, and at the end what is left to show.
func (c commands) lister() (show func(*tcpb.CallInfo) error, end func() error) {
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		return func(x *tcpb.CallInfo) error { return a.Add(newCallJSON(x)) }, a.End
	}
	t := &console.Table{Head: []string{"CONNID", "TYPE", "CALLER", "CALLED", "STATE", "WITH", "FOR", "NODE", "SITE"}}
	show = func(x *tcpb.CallInfo) error {
		state, with := stateOf(x)
		t.Add(console.Text(x.GetConnId()), console.Text(console.Dash(x.GetKind().Word())), console.Text(console.Dash(x.GetAni())), console.Text(console.Dash(x.GetDnis())),
			state, console.Text(console.Dash(with)), console.Text(view.Age(c.Now(), x.GetBegan())), console.Text(x.GetNode()), console.Text(x.GetSite()))
		return nil
	}
	return show, func() error { return c.Print(t) }
}

// stateOf is what happens to a call in one word, and with whom.
func stateOf(x *tcpb.CallInfo) (console.Cell, string) {
	var with []string
	state, held := tcpb.CallPartyState_CALL_PARTY_STATE_DIALING, false
	for _, p := range x.GetParties() {
		held = held || p.GetHeldSince() != nil
		if !p.GetCaller() {
			with = append(with, p.GetDn())
			state = max(state, p.GetState())
		}
	}
	who := strings.Join(with, ", ")
	switch q := x.GetQueue(); {
	case state == tcpb.CallPartyState_CALL_PARTY_STATE_ESTABLISHED && held:
		return console.Tinted("held", console.Yellow), who
	case state == tcpb.CallPartyState_CALL_PARTY_STATE_ESTABLISHED:
		return console.Tinted(state.Word(), console.Green), who
	case q != nil && who == "":
		return console.Tinted("waiting", console.Yellow), strings.Trim(q.GetRoutingPoint()+" "+q.GetGroup(), " ")
	}
	return console.Text(state.Word()), who
}

func (c commands) getCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "get CONNID", Short: "Show a call that is up or waits", Args: cobra.ExactArgs(1),
		Long: `Show a call that is up or waits: its parties, where it waits, and what clients have
attached to it.

With -o json
  ` + strings.TrimSuffix(callJSONHelp, "}") + `,"user_data"}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return console.Doing("call get "+args[0], c.get(cmd.Context(), args[0]))
		},
	})
}

func (c commands) get(ctx context.Context, id string) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, tcpb.NewCallsClient(cl.Conn).GetCall, &tcpb.GetCallRequest{ConnId: id})
	if err != nil {
		return err
	}
	if c.JSON() {
		j := newCallJSON(r.GetCall())
		j.UserData = r.GetUserData()
		return console.Encode(c.Out, j)
	}
	return c.showCall(r)
}

func (c commands) showCall(r *tcpb.GetCallResponse) error {
	x := r.GetCall()
	for _, f := range [][2]string{
		{"call", x.GetConnId()}, {"node", x.GetNode() + at(x.GetSite())}, {"type", x.GetKind().Word()}, {"from", x.GetCaller()}, {"caller", x.GetAni()}, {"called", x.GetDnis()},
		{"began", view.RFC3339(x.GetBegan()) + " (" + view.Age(c.Now(), x.GetBegan()) + ")"}, {"waits", c.waits(x.GetQueue())}, {"last queue", x.GetLastQueue()},
		{"goes on from", x.GetGoesOn()}, {"transferred by", x.GetTransferredBy()},
	} {
		if f[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(c.Out, "%-16s%s\n", f[0]+":", f[1]); err != nil {
			return err
		}
	}
	if err := c.showParties(x); err != nil || len(r.GetUserData()) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(c.Out); err != nil {
		return err
	}
	t := &console.Table{Head: []string{"KEY", "VALUE"}}
	for _, k := range sortedKeys(r.GetUserData()) {
		t.Add(console.Text(console.OneLine(k)), console.Text(console.OneLine(r.GetUserData()[k])))
	}
	return c.Print(t)
}

func (c commands) showParties(x *tcpb.CallInfo) error {
	if len(x.GetParties()) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(c.Out); err != nil {
		return err
	}
	t := &console.Table{Head: []string{"PARTY", "ROLE", "STATE", "FOR", "HOLDS FOR", "OTHER", "BY"}}
	for _, p := range x.GetParties() {
		t.Add(console.Text(p.GetDn()), console.Text(roleOf(p)), console.Text(p.GetState().Word()), console.Text(view.Age(c.Now(), p.GetSince())),
			console.Text(view.Age(c.Now(), p.GetHeldSince())), console.Text(console.Dash(p.GetOther())), console.Text(console.Dash(p.GetNode())))
	}
	return c.Print(t)
}

func (c commands) waits(q *tcpb.CallQueue) string {
	if q == nil {
		return ""
	}
	s := "at " + q.GetRoutingPoint()
	if q.GetGroup() != "" {
		s += " for an agent of " + q.GetGroup()
	}
	return s + " for " + view.Age(c.Now(), q.GetSince())
}

func at(site string) string {
	if site == "" {
		return ""
	}
	return " at " + site
}
