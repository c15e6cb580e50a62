package route

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// testJSON is where a call would go; names and order are a contract.
type testJSON struct {
	Called string     `json:"called"`
	DN     string     `json:"dn"`
	Exits  []exitJSON `json:"exits"`
	Code   uint32     `json:"code"`
	Reason string     `json:"reason"`
	Why    []string   `json:"why"`
}

type exitJSON struct {
	Trunk      string `json:"trunk"`
	Address    string `json:"address"`
	Number     string `json:"number"`
	Caller     string `json:"caller"`
	PassedOver string `json:"passed_over"`
}

func (c commands) routeTestCommand() *cobra.Command {
	var req tcpb.TestRouteRequest
	cmd := c.Reading(&cobra.Command{
		Use: "test NUMBER", Short: "Tell where a call to a number would go from the asked node, and why", Args: cobra.ExactArgs(1),
		Long: `Tell where a call to a number, or to a sip or tel URI, would go from the asked node
now, and why. No call is made. --from is who calls: a phone's DN or a trunk, whose
number rules count then; --caller is what a trunk tells of the caller.

TELLS and CALLER are what a trunk is told of the called and the calling number.
With -o json
  {"called","dn","exits":[{"trunk","address","number","caller","passed_over"}],"code","reason","why"}
code is the SIP status of a call that goes nowhere, 0 otherwise.`,
		Example: "  sipcluster route test 0301234567 --from 1001\n  sipcluster route test 4930100 --from carrier --caller 0301234567",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Called = args[0]
			if req.From == "" {
				return console.Usagef("--from is missing: want the phone's DN or the trunk that calls")
			}
			return console.Doing("route test "+args[0], c.routeTest(cmd.Context(), &req))
		},
	})
	cmd.Flags().StringVar(&req.From, "from", "", "`DN` of the phone, or the trunk, that calls")
	cmd.Flags().StringVar(&req.Caller, "caller", "", "what the trunk tells of the caller: a `NUMBER` or URI")
	return cmd
}

func (c commands) routeTest(ctx context.Context, req *tcpb.TestRouteRequest) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, cl.Availability.TestRoute, req)
	if err != nil {
		return err
	}
	if c.JSON() {
		return console.Encode(c.Out, newTestJSON(r))
	}
	if _, err := fmt.Fprintln(c.Out, strings.Join(append(r.GetWhy(), wayOf(r)), "\n")); err != nil || len(r.GetExits()) == 0 {
		return err
	}
	t := &console.Table{Head: []string{"TRUNK", "ADDRESS", "TELLS", "CALLER", "NOW"}}
	for _, x := range r.GetExits() {
		now := "tried"
		if x.GetPassedOver() != "" {
			now = x.GetPassedOver()
		}
		t.Add(console.Text(x.GetTrunk()), console.Text(x.GetAddress()), console.Text(x.GetNumber()), console.Text(console.Dash(x.GetCaller())), console.Text(now))
	}
	return c.Print(t)
}

// wayOf is the answer in one line.
func wayOf(r *tcpb.TestRouteResponse) string {
	switch {
	case r.GetCode() != 0:
		return fmt.Sprintf("the call goes nowhere: %d %s", r.GetCode(), r.GetReason())
	case len(r.GetExits()) > 0:
		return "the call leaves by"
	}
	return "the call goes to " + r.GetDn()
}

func newTestJSON(r *tcpb.TestRouteResponse) testJSON {
	j := testJSON{Called: r.GetCalled(), DN: r.GetDn(), Exits: []exitJSON{}, Code: r.GetCode(), Reason: r.GetReason(), Why: r.GetWhy()}
	for _, x := range r.GetExits() {
		j.Exits = append(j.Exits, exitJSON{x.GetTrunk(), x.GetAddress(), x.GetNumber(), x.GetCaller(), x.GetPassedOver()})
	}
	return j
}
