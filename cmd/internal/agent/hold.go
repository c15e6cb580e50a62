package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

func (c commands) agentHoldCommand() *cobra.Command {
	var f agentFlags
	cmd := c.Reading(&cobra.Command{
		Use: "hold DN", Short: "Act as an agent's desktop until Ctrl-C: register a pstn DN, log in, get ready", Args: cobra.ExactArgs(1),
		Long: `Do what an agent's desktop does: register a pstn DN at the asked node, which
makes that node its owner and puts it in service, log the agent in and make it
ready. What happens to the DN is printed until Ctrl-C, which logs the agent out
and takes the DN out of service. A lost connection is made again, and the DN
registered again.

With -o json each event is a line, keys without a value left out:
  ` + view.EventJSONHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(agentFlag | modeFlag); err != nil {
				return err
			}
			return console.Doing("agent hold "+args[0], c.hold(cmd.Context(), args[0], &f))
		},
	})
	f.add(cmd, agentFlag|modeFlag)
	return cmd
}

// hold is an agent's desktop until the context ends.
func (c commands) hold(ctx context.Context, dn string, f *agentFlags) error {
	d, err := c.OpenDesk(ctx, true)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := c.arrive(ctx, d, dn, f); err != nil {
		return err
	}
	if !c.JSON() {
		fmt.Fprintf(c.Out, "%s is held at %s; Ctrl-C logs the agent out and unregisters the DN\n", dn, d.Server().GetNode())
	}
	for e, err := range d.Events(ctx) {
		if client.Interrupted(ctx) {
			break
		}
		if err != nil {
			return d.Explain(err)
		}
		if err := c.showHeld(e); err != nil {
			return err
		}
	}
	return c.depart(ctx, d, dn)
}

// arrive registers the DN, logs in and gets ready. An agent who is there
// already stays.
func (c commands) arrive(ctx context.Context, d *client.Desk, dn string, f *agentFlags) error {
	for _, request := range []func(context.Context) (*tlibpb.Event, error){
		func(ctx context.Context) (*tlibpb.Event, error) {
			return d.RegisterAddress(ctx, dn, tlibpb.AddressMode_ADDRESS_MODE_SHARED)
		},
		func(ctx context.Context) (*tlibpb.Event, error) {
			return d.AgentLogin(ctx, dn, f.id, f.workMode, f.reason)
		},
		func(ctx context.Context) (*tlibpb.Event, error) { return d.AgentReady(ctx, dn, f.workMode, f.reason) },
	} {
		e, err := d.Do(ctx, request)
		if err == nil {
			err = c.showHeld(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// depart ends it in good order, after an interrupt.
func (c commands) depart(ctx context.Context, d *client.Desk, dn string) error {
	ctx, cancel := client.Parting(ctx)
	defer cancel()
	out, errOut := d.AgentLogout(ctx, dn, nil)
	gone, err := d.UnregisterAddress(ctx, dn)
	for _, e := range []*tlibpb.Event{out, gone} {
		if e != nil {
			err = errors.Join(err, c.showHeld(e))
		}
	}
	return d.Explain(errors.Join(errOut, err))
}

// showHeld prints an event of the DN that is held.
func (c commands) showHeld(e *tlibpb.Event) error {
	if c.JSON() {
		return console.Encode(c.Out, view.NewEventJSON(e))
	}
	what := ""
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_REGISTERED:
		what = fmt.Sprintf("%s is %s, owner %s", e.GetThisDn(), e.GetStatus().GetState().Word(), console.Dash(e.GetStatus().GetOwner()))
	case tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE:
		what = fmt.Sprintf("%s, %s, owner %s", e.GetThisDn(), e.GetReason().Word(), console.Dash(e.GetOwner()))
	case tlibpb.Message_MESSAGE_EVENT_AGENT_RESERVED:
		what = e.GetThisDn() + " is reserved no more"
		if e.GetAgentReserved().GetExpiresAt() != nil {
			what = reservedUntil(e, e.GetAgentReserved().GetExpiresAt().AsTime())
		}
	case tlibpb.Message_MESSAGE_EVENT_NODE_DRAINING:
		what = e.GetServer().GetNode() + " " + view.DrainWord(e.GetNodeDraining())
	case tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED:
		what = e.GetServer().GetNode() + " " + e.GetLinkDisconnected().GetText()
	case tlibpb.Message_MESSAGE_EVENT_UNREGISTERED:
		what = e.GetThisDn()
	case tlibpb.Message_MESSAGE_EVENT_ERROR:
		what = e.GetError().GetText()
	case tlibpb.Message_MESSAGE_END_OF_SNAPSHOT:
		return nil
	default:
		if agentDoes[e.GetMessage()] != "" {
			what = agentSentence(e)
		}
	}
	_, err := fmt.Fprintf(c.Out, "%s  %-20s  %s\n", c.Now().Local().Format("15:04:05.000"), tlib.EventName(e.GetMessage()), what)
	return err
}
