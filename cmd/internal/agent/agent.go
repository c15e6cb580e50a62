// Package agent is the commands of an agent's desktop, and of who reserves an agent.
package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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

// agentFlags are what an agent command may say.
type agentFlags struct {
	id, mode string
	reasons  []string

	workMode tlibpb.AgentWorkMode
	reason   map[string]string
}

// Command is agent and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("agent", "Agents at DNs: log in and out, ready and not ready")
	cmd.AddCommand(
		c.agentRequest("login", "Log an agent in at a DN in service", agentFlag|modeFlag,
			func(ctx context.Context, t *tlib.Client, dn string, f *agentFlags) (*tlibpb.Event, error) {
				return t.AgentLogin(ctx, dn, f.id, f.workMode, f.reason)
			}),
		c.agentRequest("ready", "Make the agent at a DN ready for calls", modeFlag,
			func(ctx context.Context, t *tlib.Client, dn string, f *agentFlags) (*tlibpb.Event, error) {
				return t.AgentReady(ctx, dn, f.workMode, f.reason)
			}),
		c.agentRequest("notready", "Make the agent at a DN not ready", modeFlag,
			func(ctx context.Context, t *tlib.Client, dn string, f *agentFlags) (*tlibpb.Event, error) {
				return t.AgentNotReady(ctx, dn, f.workMode, f.reason)
			}),
		c.agentRequest("logout", "Log the agent at a DN out", 0,
			func(ctx context.Context, t *tlib.Client, dn string, f *agentFlags) (*tlibpb.Event, error) {
				return t.AgentLogout(ctx, dn, f.reason)
			}),
		c.agentRequest("dnd-on", "Set do not disturb at a DN: no call is sent there", 0,
			func(ctx context.Context, t *tlib.Client, dn string, _ *agentFlags) (*tlibpb.Event, error) {
				return t.SetDNDOn(ctx, dn)
			}),
		c.agentRequest("dnd-off", "Take do not disturb at a DN back", 0,
			func(ctx context.Context, t *tlib.Client, dn string, _ *agentFlags) (*tlibpb.Event, error) {
				return t.SetDNDOff(ctx, dn)
			}),
		c.agentHoldCommand(),
	)
	return cmd
}

// Flags that not every agent command has.
const (
	agentFlag = 1 << iota
	modeFlag
)

func (f *agentFlags) add(cmd *cobra.Command, which int) {
	flags := cmd.Flags()
	if which&agentFlag != 0 {
		flags.StringVar(&f.id, "agent-id", "", "`ID` that the agent logs in with, at most 64 bytes")
	}
	if which&modeFlag != 0 {
		flags.StringVar(&f.mode, "mode", "", "work `MODE`: "+strings.Join(view.WorkModes[1:], ", "))
	}
	flags.StringArrayVar(&f.reasons, "reason", nil, "reason `KEY=VALUE` of the request, repeatable, at most 16")
}

func (f *agentFlags) check(which int) error {
	if which&agentFlag != 0 && f.id == "" {
		return console.Usagef("--agent-id ID is missing")
	}
	mode := slices.Index(view.WorkModes, f.mode)
	if mode < 0 {
		return console.Usagef("--mode %s: want %s", f.mode, strings.Join(view.WorkModes[1:], ", "))
	}
	f.workMode, f.reason = tlibpb.AgentWorkMode(mode), map[string]string{}
	for _, r := range f.reasons {
		key, value, ok := strings.Cut(r, "=")
		if _, twice := f.reason[key]; !ok || key == "" || twice {
			return console.Usagef("--reason %s: want KEY=VALUE with unique keys", r)
		}
		f.reason[key] = value
	}
	return nil
}

// agentRequest is the command that makes one request about the agent at a DN.
func (c commands) agentRequest(name, short string, which int, request func(context.Context, *tlib.Client, string, *agentFlags) (*tlibpb.Event, error)) *cobra.Command {
	var f agentFlags
	cmd := c.Reading(&cobra.Command{
		Use: name + " DN", Short: short, Args: cobra.ExactArgs(1),
		Long: short + `, as the agent's desktop would.
The agent's state is kept by the DN's owner and stays when this command has ended.
A pstn DN has to be in service at the asked node already: sipcluster agent hold
puts it there.

With -o json the node's answer is printed, keys without a value left out:
  ` + view.EventJSONHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(which); err != nil {
				return err
			}
			e, err := c.asDesktop(cmd.Context(), args[0], func(ctx context.Context, t *tlib.Client) (*tlibpb.Event, error) {
				return request(ctx, t, args[0], &f)
			})
			if err != nil {
				return console.Doing("agent "+name+" "+args[0], err)
			}
			return c.showAgent(e)
		},
	})
	f.add(cmd, which)
	return cmd
}

// asDesktop registers the DN for the time of one request.
func (c commands) asDesktop(ctx context.Context, dn string, request func(context.Context, *tlib.Client) (*tlibpb.Event, error)) (*tlibpb.Event, error) {
	d, err := c.OpenDesk(ctx, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := mayRegister(ctx, d, dn); err != nil {
		return nil, err
	}
	if _, err := d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) {
		return d.RegisterAddress(ctx, dn, tlibpb.AddressMode_ADDRESS_MODE_SHARED)
	}); err != nil {
		return nil, err
	}
	defer leave(ctx, d, dn)
	return d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) { return request(ctx, d.Client) })
}

// leave unregisters the DN: with a grace for lost desktops the node would keep it
// registered otherwise.
func leave(ctx context.Context, d *client.Desk, dn string) {
	ctx, cancel := client.Parting(ctx)
	defer cancel()
	_, _ = d.UnregisterAddress(ctx, dn) // when that fails the session's end does it
}

// mayRegister refuses to move a pstn DN, or to put it in service for a moment:
// registering it would, and the end of the session take it out of service.
func mayRegister(ctx context.Context, d *client.Desk, dn string) error {
	e, err := d.Do(ctx, func(ctx context.Context) (*tlibpb.Event, error) { return d.QueryAddress(ctx, dn) })
	if err != nil {
		return err
	}
	is := e.GetStatus()
	inService := is.GetState() == tcpb.DNState_DN_STATE_IN_SRV
	switch {
	case is.GetKind() != configpb.DNKind_DN_KIND_PSTN || inService && is.GetOwner() == d.Server().GetNode():
		return nil
	case inService:
		return fmt.Errorf("pstn DN %s is in service at node %s: send the request to that node (--addr), or move the DN here with sipcluster agent hold", dn, is.GetOwner())
	}
	return fmt.Errorf("pstn DN %s is out of service: register it with sipcluster agent hold first", dn)
}

// showAgent prints what a node answered to an agent's request.
func (c commands) showAgent(e *tlibpb.Event) error {
	if c.JSON() {
		return console.Encode(c.Out, view.NewEventJSON(e))
	}
	sentence := agentSentence(e)
	switch {
	case e.GetDndOn() != nil:
		sentence = "do not disturb is set"
	case e.GetDndOff() != nil:
		sentence = "do not disturb is off"
	}
	_, err := fmt.Fprintf(c.Out, "%s: %s\n", e.GetThisDn(), sentence)
	return err
}

// agentDoes says what an agent's event means.
var agentDoes = map[tlibpb.Message]string{
	tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN: "is logged in", tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT: "is logged out",
	tlibpb.Message_MESSAGE_EVENT_AGENT_READY: "is ready", tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY: "is not ready",
}

// agentSentence is "agent 7001 is ready, auto-in (site=dc1)".
func agentSentence(e *tlibpb.Event) string {
	s := "agent " + e.GetAgent().GetId() + " " + agentDoes[e.GetMessage()]
	if mode := view.WorkModeName(uint32(max(e.GetAgent().GetWorkMode(), 0))); mode != "" {
		s += ", " + mode
	}
	if len(e.GetAgent().GetReasons()) > 0 {
		s += " (" + view.ReasonsText(e.GetAgent().GetReasons()) + ")"
	}
	return s
}
