// Package route is the commands about calls that wait at routing points.
package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// Command is route and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("route", "Where calls go: those that wait at routing points, list them or route one; and test a number")
	cmd.AddCommand(c.routeListCommand(), c.routeCallCommand(), c.routeTestCommand())
	return cmd
}

// openRouter opens a session with the asked node's default port, as a router
// has: at addr, or where the node says when that is "".
func (c commands) openRouter(ctx context.Context, addr string) (*client.Desk, error) {
	if addr == "" {
		var err error
		if addr, err = c.defaultPort(ctx); err != nil {
			return nil, err
		}
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return nil, console.Usagef("--default-addr %s: want HOST:PORT of a node's default port", addr)
	}
	cl, err := c.ConnectAt(addr)
	if err != nil {
		return nil, err
	}
	d, err := cl.OpenDesk(ctx, false)
	if errors.Is(err, client.ErrNobody) {
		return nil, fmt.Errorf("no default port answers at %s: check that it can be reached from here (--default-addr)", addr)
	}
	if err == nil && d.Server().GetPort() != tlibpb.Port_PORT_DEFAULT {
		d.Close()
		return nil, fmt.Errorf("what answers at %s is a TCport: want a node's default port (--default-addr)", addr)
	}
	return d, err
}

// defaultPort is where the asked node serves routers.
func (c commands) defaultPort(ctx context.Context) (string, error) {
	cl, err := c.Connect()
	if err != nil {
		return "", err
	}
	defer cl.Close()
	self, err := client.Unary(ctx, cl, cl.Cluster.Status, &tcpb.StatusRequest{})
	if err != nil {
		return "", err
	}
	roster, err := client.Unary(ctx, cl, cl.Config.ListNodes, &configpb.ListNodesRequest{})
	if err != nil {
		return "", err
	}
	for _, n := range roster.Nodes {
		if n.Name == self.Node && n.DefaultAddr != "" {
			return n.DefaultAddr, nil
		}
	}
	return "", fmt.Errorf("node %s does not announce its default port: give it with --default-addr", self.Node)
}

func defaultAddrFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "default-addr", "", "the node's default port, `HOST:PORT`; default: the one that the node announces")
}

// routeFlags are the choices of route call: one destination.
type routeFlags struct {
	addr, to, group, external string
	reject                    uint32
	wait                      time.Duration
	overflow                  []string
	data                      []string
}

func (c commands) routeCallCommand() *cobra.Command {
	var f routeFlags
	cmd := c.Reading(&cobra.Command{
		Use: "call CONNID", Short: "Route a call that waits at a routing point, as a router would", Args: cobra.ExactArgs(1),
		Long: `Send a call that waits at a routing point of the asked node to an agent's DN at
any node, to an agent of a group, or to a number outside by a trunk, or reject it.
sipcluster route list shows the calls. With --group the command waits until the
call has an agent, at most --timeout; the call keeps waiting after that. --wait bounds
how long it does, and --overflow says where it goes then.

With -o json the node's answer is printed:
  {"event","conn_id","routing_point","destination","time","node"}
event is EventRouteUsed, or EventReleased of a call that was rejected.`,
		Example: "  sipcluster route call 6b0f0001a2c4e680 --to 1001",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.request(args[0])
			if err != nil {
				return err
			}
			return console.Doing("route call "+args[0], c.routeOne(cmd.Context(), r, &f))
		},
	})
	defaultAddrFlag(cmd, &f.addr)
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "agent's `DN`")
	flags.StringVar(&f.group, "group", "", "agent `GROUP`; the node picks the agent")
	flags.StringVar(&f.external, "external", "", "`NUMBER` outside the cluster, reached by a trunk")
	flags.Uint32Var(&f.reject, "reject", 0, "reject the call with this SIP status `CODE`, 400 to 699")
	flags.DurationVar(&f.wait, "wait", 0, "how long the call waits for an agent of the group; 0: as long as it may at all")
	flags.StringArrayVar(&f.overflow, "overflow", nil, "where it goes when nobody there takes it: dn=`DN`, group=GROUP or external=NUMBER, repeatable")
	flags.StringArrayVar(&f.data, "data", nil, "user data `KEY=VALUE` to set on the call, repeatable; KEY= removes one")
	return cmd
}

// request is what the flags ask for.
func (f *routeFlags) request(conn string) (*tlibpb.RouteCall, error) {
	r := &tlibpb.RouteCall{ConnId: conn, UserData: map[string]string{}}
	n := 0
	for _, d := range []struct {
		given bool
		set   func()
	}{
		{f.to != "", func() { r.Destination = &tlibpb.RouteCall_Dn{Dn: f.to} }},
		{f.group != "", func() { r.Destination = &tlibpb.RouteCall_Group{Group: f.group} }},
		{f.external != "", func() { r.Destination = &tlibpb.RouteCall_External{External: f.external} }},
		{f.reject != 0, func() { r.Destination = &tlibpb.RouteCall_Reject{Reject: f.reject} }},
	} {
		if d.given {
			n++
			d.set()
		}
	}
	if n != 1 {
		return nil, console.Usagef("the call needs a destination: want exactly one of --to DN, --group GROUP, --external NUMBER, --reject CODE")
	}
	if f.reject != 0 && (f.reject < 400 || f.reject > 699) {
		return nil, console.Usagef("--reject %d: want a SIP status code from 400 to 699", f.reject)
	}
	if f.wait < 0 {
		return nil, console.Usagef("--wait %v: want 0 or more", f.wait)
	}
	if f.wait > 0 {
		r.Timeout = durationpb.New(f.wait)
	}
	for _, o := range f.overflow {
		p, err := placeOf(o)
		if err != nil {
			return nil, err
		}
		r.Overflow = append(r.Overflow, p)
	}
	for _, kv := range f.data {
		key, value, ok := strings.Cut(kv, "=")
		if _, twice := r.UserData[key]; !ok || key == "" || twice {
			return nil, console.Usagef("--data %s: want KEY=VALUE with unique keys", kv)
		}
		r.UserData[key] = value
	}
	return r, nil
}

// placeOf is one of --overflow.
func placeOf(s string) (*tlibpb.RoutePlace, error) {
	switch kind, value, _ := strings.Cut(s, "="); {
	case value == "":
	case kind == "dn":
		return &tlibpb.RoutePlace{Place: &tlibpb.RoutePlace_Dn{Dn: value}}, nil
	case kind == "group":
		return &tlibpb.RoutePlace{Place: &tlibpb.RoutePlace_Group{Group: value}}, nil
	case kind == "external":
		return &tlibpb.RoutePlace{Place: &tlibpb.RoutePlace_External{External: value}}, nil
	}
	return nil, console.Usagef("--overflow %s: want dn=DN, group=GROUP or external=NUMBER", s)
}

// routeOne routes the call and shows the answer.
func (c commands) routeOne(ctx context.Context, r *tlibpb.RouteCall, f *routeFlags) error {
	d, err := c.openRouter(ctx, f.addr)
	if err != nil {
		return err
	}
	defer d.Close()
	waiting, cancel := d.Node.Call(ctx)
	defer cancel()
	e, err := d.RouteCall(waiting, r)
	if f.group != "" && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no agent of group %s became free within %v: the call keeps waiting for one (see sipcluster route list)", f.group, c.Timeout)
	}
	if err != nil {
		return d.Explain(err)
	}
	return c.showRouted(e, f)
}

// routedJSON is the answer to route call; names and order are a contract.
type routedJSON struct {
	Event        string `json:"event"`
	ConnID       string `json:"conn_id"`
	RoutingPoint string `json:"routing_point"`
	Destination  string `json:"destination"`
	Time         string `json:"time"`
	Node         string `json:"node"`
}

func (c commands) showRouted(e *tlibpb.Event, f *routeFlags) error {
	to := e.GetThirdPartyDn()
	if c.JSON() {
		event := e.GetMessage()
		if f.reject != 0 {
			event = tlibpb.Message_MESSAGE_EVENT_RELEASED
		}
		return console.Encode(c.Out, routedJSON{tlib.EventName(event), e.GetCall().GetConnId(), e.GetThisDn(), to, view.RFC3339(e.GetTime()), e.GetOwner()})
	}
	what := "left " + e.GetThisDn() + " for " + to
	if f.reject != 0 {
		what = fmt.Sprintf("was rejected with %d at %s", f.reject, e.GetThisDn())
	}
	_, err := fmt.Fprintf(c.Out, "call %s %s\n", e.GetCall().GetConnId(), what)
	return err
}
