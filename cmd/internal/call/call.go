// Package call is the commands about calls: which are up, which messages they were made
// of, and having a phone make one.
package call

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// Command is call and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("call", "Calls: which are up, what they were made of, have a phone make one")
	cmd.AddCommand(c.listCommand(), c.getCommand(), c.traceCommand(), c.makeCommand())
	return cmd
}

// waits is how long the command waits for a phone whose user may have to agree.
const waits = 20 * time.Second

func (c commands) makeCommand() *cobra.Command {
	var id string
	cmd := c.Reading(&cobra.Command{
		Use: "make DN NUMBER", Short: "Have the phone of a sip DN call a number", Args: cobra.ExactArgs(2),
		Long: `Have the phone of a sip DN call a DN or a number outside, as a desktop would
(T-Library's MakeCall): the node at which it is registered sends it a REFER, and
the phone calls as if its user had dialled. The phone must take a REFER outside of
calls; many have a setting for it. Its user may have to agree first.

The command waits until the phone has begun the call, for 20 s unless --timeout
says otherwise.

With -o json the node's answer is printed, keys without a value left out:
  ` + view.EventJSONHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("timeout") {
				c.Timeout = waits
			}
			if id == "" {
				id = rand.Text()
			}
			e, err := c.make(cmd.Context(), args[0], args[1], id)
			if err != nil {
				return console.Doing("call make "+args[0]+" "+args[1], err)
			}
			if c.JSON() {
				return console.Encode(c.Out, view.NewEventJSON(e))
			}
			_, err = fmt.Fprintf(c.Out, "%s: calls %s, call %s\n", args[0], args[1], e.GetDialing().GetCall().GetConnId())
			return err
		},
	})
	cmd.Flags().StringVar(&id, "request-id", "", "`ID` of the request: one that comes again within ten minutes makes no other call")
	return cmd
}

// make registers the DN for the time of the request.
func (c commands) make(ctx context.Context, dn, number, id string) (*tlibpb.Event, error) {
	d, err := c.OpenDesk(ctx, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	e, err := d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) { return d.QueryAddress(ctx, dn) })
	if err != nil {
		return nil, err
	}
	if k := e.GetStatus().GetKind(); k != configpb.DNKind_DN_KIND_SIP { // to register another one would put it in service
		return nil, fmt.Errorf("DN %s has no phone of the cluster: only a sip DN's can be asked to call somebody", dn)
	}
	if _, err := d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) {
		return d.RegisterAddress(ctx, dn, tlibpb.AddressMode_ADDRESS_MODE_SHARED)
	}); err != nil {
		return nil, err
	}
	return d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) { return d.MakeCall(ctx, dn, number, id) })
}
