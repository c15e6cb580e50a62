package route

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// waitingJSON is a call that waits; names and order are a contract.
type waitingJSON struct {
	ConnID       string            `json:"conn_id"`
	RoutingPoint string            `json:"routing_point"`
	Caller       string            `json:"caller"`
	Called       string            `json:"called"`
	Since        string            `json:"since"`
	WaitsFor     string            `json:"waits_for"`
	Tried        []string          `json:"tried"`
	UserData     map[string]string `json:"user_data"`
	Tries        []tryJSON         `json:"tries"`
}

// tryJSON is what became of a call at one of tried; 0 and "": it was not sent there, or
// nothing more is known.
type tryJSON struct {
	DN        string `json:"dn"`
	SIPStatus uint32 `json:"sip_status"`
	Text      string `json:"text"`
}

// waitingCall is a call at a routing point.
type waitingCall struct {
	*tlibpb.Event
	// asked: a router's word is taken.
	asked bool
}

func (c commands) routeListCommand() *cobra.Command {
	var addr string
	cmd := c.Reading(&cobra.Command{
		Use: "list [ROUTING-POINT]", Short: "List the calls that wait at the asked node's routing points", Args: cobra.MaximumNArgs(1),
		Long: `List the calls that wait at the asked node's routing points, or at one of them,
those that wait for the longest time first. Calls stay at the node where they
arrived: ask each node for its own.

A call that waits for a "router" can be routed: sipcluster route call. One that
waits for an "agent" was routed to a group in which no agent is free; it can be
routed again when the router that did so is gone. TRIED lists the DNs that did not
take the call, with the SIP status that came, and with more where that is known: that a phone's
media don't fit the caller's.

With -o json an array of
  {"conn_id","routing_point","caller","called","since","waits_for","tried","user_data",
   "tries":[{"dn","sip_status","text"}]}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return console.Doing(strings.Join(append([]string{"route list"}, args...), " "), c.routeList(cmd.Context(), addr, args))
		},
	})
	defaultAddrFlag(cmd, &addr)
	return cmd
}

func (c commands) routeList(ctx context.Context, addr string, args []string) error {
	rp := ""
	if len(args) > 0 {
		rp = args[0]
		if err := c.isRoutingPoint(ctx, rp); err != nil {
			return err
		}
	}
	d, err := c.openRouter(ctx, addr)
	if err != nil {
		return err
	}
	defer d.Close()
	calls, err := waiting(ctx, d, rp)
	if err != nil {
		return err
	}
	return c.showWaiting(calls)
}

// isRoutingPoint is nil when the DN is one.
func (c commands) isRoutingPoint(ctx context.Context, rp string) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, cl.Config.GetDN, &configpb.GetDNRequest{Number: rp})
	if err != nil {
		return err
	}
	if r.GetDn().GetKind() != configpb.DNKind_DN_KIND_ROUTING_POINT {
		return fmt.Errorf("DN %s is not a routing point: see sipcluster dn list --kind routing-point", rp)
	}
	return nil
}

// waiting are the calls that wait at a routing point, or at all when it is "".
func waiting(ctx context.Context, d *client.Desk, rp string) ([]*waitingCall, error) {
	ctx, cancel := d.Node.Call(ctx)
	defer cancel()
	filter := &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_CALL}}
	if err := d.MonitorAll(ctx, filter); err != nil {
		return nil, d.Explain(err)
	}
	var calls []*waitingCall
	for e, err := range d.Events(ctx) {
		switch {
		case err != nil:
			return nil, d.Explain(err)
		case e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT:
			return calls, nil
		case rp != "" && e.GetThisDn() != rp:
		case e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_QUEUED:
			calls = append(calls, &waitingCall{Event: e})
		case e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST && len(calls) > 0:
			calls[len(calls)-1].asked = true // it follows its call's EventQueued
		}
	}
	return calls, nil
}

func (w *waitingCall) tried() []string {
	return append([]string{}, w.GetQueued().GetTried()...)
}

// triesText are the DNs that did not take the call, each with what it answered.
func (w *waitingCall) triesText() string {
	var all []string
	for _, t := range w.GetQueued().GetTries() {
		switch end := t.GetEnd(); {
		case end.GetText() != "":
			all = append(all, fmt.Sprintf("%s (%d, %s)", t.GetDn(), end.GetSipStatus(), end.GetText()))
		case end.GetSipStatus() != 0:
			all = append(all, fmt.Sprintf("%s (%d)", t.GetDn(), end.GetSipStatus()))
		default:
			all = append(all, t.GetDn())
		}
	}
	if all == nil { // a node of before
		all = w.tried()
	}
	return strings.Join(all, ", ")
}

func (w *waitingCall) tries() []tryJSON {
	all := []tryJSON{}
	for _, t := range w.GetQueued().GetTries() {
		all = append(all, tryJSON{t.GetDn(), t.GetEnd().GetSipStatus(), t.GetEnd().GetText()})
	}
	return all
}

// waitsFor is "router" or "agent".
func (w *waitingCall) waitsFor() string {
	if w.asked {
		return "router"
	}
	return "agent"
}

func (c commands) showWaiting(calls []*waitingCall) error {
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, w := range calls {
			if err := a.Add(newWaitingJSON(w)); err != nil {
				return err
			}
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"CONNID", "ROUTING POINT", "CALLER", "FOR", "WAITS FOR", "TRIED"}}
	for _, w := range calls {
		t.Add(console.Text(w.GetCall().GetConnId()), console.Text(w.GetThisDn()), console.Text(console.Dash(w.GetCall().GetAni())), console.Text(view.Age(c.Now(), w.GetTime())), console.Text(w.waitsFor()), console.Text(console.Dash(w.triesText())))
	}
	return c.Print(t)
}

func newWaitingJSON(w *waitingCall) waitingJSON {
	data := w.GetCall().GetUserData()
	if data == nil {
		data = map[string]string{}
	}
	return waitingJSON{w.GetCall().GetConnId(), w.GetThisDn(), w.GetCall().GetAni(), w.GetCall().GetDnis(), view.RFC3339(w.GetTime()), w.waitsFor(), w.tried(), data, w.tries()}
}
