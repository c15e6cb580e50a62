// Package dn is the commands about directory numbers: put, get, list, delete,
// import and watch.
package dn

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// dnJSON is a row of dn list; names and order are a contract.
type dnJSON struct {
	DN       string `json:"dn"`
	Kind     string `json:"kind"`
	State    string `json:"state"`
	Owner    string `json:"owner"`
	Site     string `json:"site"`
	Reason   string `json:"reason"`
	Since    string `json:"since"`
	Routable bool   `json:"routable"`
	Busy     bool   `json:"busy"`
	Reserved bool   `json:"reserved"`
	// Agent is left out when nobody ever logged in.
	Agent *view.AgentJSON `json:"agent,omitempty"`
	// Standby and its site are left out when there is none.
	Standby     string `json:"standby,omitempty"`
	StandbySite string `json:"standby_site,omitempty"`

	DoNotDisturb bool              `json:"do_not_disturb"`
	Capacity     uint32            `json:"capacity"`
	Skills       map[string]uint32 `json:"skills"`
	// CoolDown is null when there is none.
	CoolDown *view.CoolDownJSON `json:"cool_down"`
	Uses     view.UsesJSON      `json:"uses"`
}

// dnDetailJSON is dn get: the row and what is configured.
type dnDetailJSON struct {
	dnJSON
	Configured bool     `json:"configured"`
	Enabled    bool     `json:"enabled"`
	Groups     []string `json:"groups"`
	External   string   `json:"external"`
	Revision   uint64   `json:"revision"`
	// Addresses are those of a trunk, as the node that is asked finds them.
	Addresses []addressJSON `json:"trunk_addresses,omitempty"`
}

func newDNJSON(d *tcpb.DNStatus) dnJSON {
	skills := d.Skills
	if skills == nil {
		skills = map[string]uint32{}
	}
	return dnJSON{
		d.Dn, d.Kind.Word(), view.StateName(d.State), d.Owner, d.Site, view.ReasonName(d.Reason), view.RFC3339(d.Since), d.Routable, d.Busy, d.Reserved, view.NewAgentJSON(d.Agent), d.Standby, d.StandbySite,
		d.DoNotDisturb, d.Capacity, skills, view.NewCoolDownJSON(d.CoolDown), view.NewUsesJSON(d.Uses),
	}
}

// Command is dn and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("dn", "Directory numbers: configure them, and see what is in service")
	cmd.AddCommand(c.dnPutCommand(), c.dnGetCommand(), c.dnWhyCommand(), c.dnListCommand(), c.dnDeleteCommand(), c.dnImportCommand(), c.dnWatchCommand())
	return cmd
}

// filterFlags are the flags that choose DNs.
type filterFlags struct {
	filter      tcpb.Filter
	kind, state string
}

func (f *filterFlags) add(cmd *cobra.Command, withState bool) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Owner, "owner", "", "only DNs owned by this `NODE`")
	flags.StringVar(&f.filter.Site, "site", "", "only DNs owned at this `SITE`")
	flags.StringVar(&f.filter.Group, "group", "", "only DNs of this agent `GROUP`")
	flags.StringVar(&f.kind, "kind", "", "only this `KIND`: sip, pstn, routing-point, trunk, feature")
	flags.StringVar(&f.filter.Prefix, "prefix", "", "only numbers that begin with `DIGITS`")
	if withState {
		flags.StringVar(&f.state, "state", "", "only this `STATE`: InSrv or OOS")
	}
}

func (f *filterFlags) check() error {
	switch {
	case f.state == "":
	case strings.EqualFold(f.state, "InSrv"):
		f.filter.State = tcpb.DNState_DN_STATE_IN_SRV
	case strings.EqualFold(f.state, "OOS"):
		f.filter.State = tcpb.DNState_DN_STATE_OOS
	default:
		return console.Usagef("--state %s: want InSrv or OOS", f.state)
	}
	if f.kind != "" {
		var err error
		if f.filter.Kind, err = config.ParseKind(f.kind); err != nil {
			return console.Usagef("--kind %w", err)
		}
	}
	return nil
}

func (c commands) dnListCommand() *cobra.Command {
	var f filterFlags
	var routable bool
	cmd := c.Reading(&cobra.Command{
		Use: "list", Short: "List DNs as the asked node sees them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if err := c.listDNs(cmd.Context(), cl, &f.filter, routable); err != nil {
				return fmt.Errorf("dn list: %w", err)
			}
			return nil
		},
	})
	f.add(cmd, true)
	cmd.Flags().BoolVar(&routable, "routable", false, "only DNs to which a call can be sent now")
	return cmd
}

// listDNs prints all pages.
func (c commands) listDNs(ctx context.Context, cl *client.Client, f *tcpb.Filter, routable bool) error {
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		if err := cl.EachDN(ctx, f, routable, func(d *tcpb.DNStatus) error { return a.Add(newDNJSON(d)) }); err != nil {
			return err
		}
		return a.End()
	}
	t := &console.Table{Head: []string{"DN", "KIND", "STATE", "OWNER", "SITE", "REASON", "FOR", "ROUTABLE", "USE", "AGENT"}}
	now := c.Now()
	err := cl.EachDN(ctx, f, routable, func(d *tcpb.DNStatus) error {
		t.Add(console.Text(d.Dn), console.Text(console.Dash(d.Kind.Word())), view.StateCell(d.State), console.Text(view.Owner(d)), console.Text(console.Dash(d.Site)),
			console.Text(console.Dash(view.ReasonName(d.Reason))), console.Text(view.Age(now, d.Since)), console.Text(console.YesNo(d.Routable)), console.Text(view.UseText(now, d)), view.AgentCell(d.Agent))
		return nil
	})
	if err != nil {
		return err
	}
	return c.Print(t)
}

func (c commands) dnGetCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "get NUMBER", Short: "Show one DN: its state and its configuration", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			status, err := client.Unary(cmd.Context(), cl, cl.Availability.GetDN, &tcpb.GetDNStatusRequest{Dn: args[0]})
			if err != nil {
				return fmt.Errorf("dn get: %w", err)
			}
			answer, err := client.Unary(cmd.Context(), cl, cl.Config.GetDN, &configpb.GetDNRequest{Number: args[0]})
			if err != nil && !client.Refused(err, codes.NotFound) {
				return fmt.Errorf("dn get: %w", err)
			}
			if c.JSON() {
				return console.Encode(c.Out, newDNDetailJSON(status, answer.GetDn()))
			}
			return c.printDN(status, answer.GetDn())
		},
	})
}

func newDNDetailJSON(s *tcpb.DNStatus, d *configpb.DN) dnDetailJSON {
	groups := d.GetGroups()
	if groups == nil {
		groups = []string{}
	}
	return dnDetailJSON{newDNJSON(s), d != nil, d != nil && !d.Disabled, groups, d.GetExternal(), d.GetRevision(), newAddressesJSON(s.GetTrunkAddresses())}
}

func (c commands) printDN(s *tcpb.DNStatus, d *configpb.DN) error {
	line := func(name, value string) { fmt.Fprintf(c.Out, "%-9s %s\n", name, value) }
	line("dn", s.Dn)
	line("kind", console.Dash(s.Kind.Word()))
	line("state", console.Paint(view.StateCell(s.State), c.Colour()))
	line("owner", console.Dash(s.Owner))
	line("site", console.Dash(s.Site))
	if s.Standby != "" {
		line("standby", fmt.Sprintf("%s (%s)", s.Standby, s.StandbySite))
	}
	line("reason", console.Dash(view.ReasonName(s.Reason)))
	line("for", view.Age(c.Now(), s.Since))
	line("routable", console.YesNo(s.Routable))
	line("agent", console.Paint(view.AgentCell(s.Agent), c.Colour()))
	if s.Agent != nil {
		line("agent for", view.Age(c.Now(), s.Agent.Since))
		if s.Agent.Until != nil {
			line("ends in", view.Until(c.Now(), s.Agent.Until))
		}
		line("reasons", console.Dash(view.ReasonsText(s.Agent.Reasons)))
	}
	c.printUse(line, s)
	if d == nil {
		line("config", "not configured")
		return nil
	}
	line("enabled", console.YesNo(!d.Disabled))
	line("groups", console.Dash(strings.Join(d.Groups, ", ")))
	switch d.Kind {
	case configpb.DNKind_DN_KIND_PSTN:
		line("external", console.Dash(d.External))
	case configpb.DNKind_DN_KIND_TRUNK:
		line("address", strings.Join(append([]string{d.GetTrunk().GetAddress()}, d.GetTrunk().GetMoreAddresses()...), ", "))
		line("prefix", console.Dash(d.GetTrunk().GetPrefix()))
		trunkLines(line, d.GetTrunk())
		for _, a := range s.GetTrunkAddresses() {
			line("reached", reached(c.Now(), a))
		}
		if r := s.GetTrunkRegistered(); r != nil {
			line("registered", registered(c.Now(), r))
		}
	case configpb.DNKind_DN_KIND_FEATURE:
		line("feature", d.GetFeature().GetAction().Word())
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		line("default", console.Dash(d.GetRoutingPoint().GetDefaultGroup()))
	}
	carrierLines(line, d)
	if d.Outbound != nil {
		line("outbound", d.Outbound.Text())
	}
	line("revision", fmt.Sprint(d.Revision))
	return nil
}

// printUse says what takes of the DN's capacity, and what keeps calls from it.
func (c commands) printUse(line func(name, value string), s *tcpb.DNStatus) {
	line("in use", view.UseText(c.Now(), s))
	if s.Capacity != 0 {
		line("calls", view.CallsText(s.Uses, s.Capacity))
	}
	if s.CoolDown != nil {
		line("cool-down", fmt.Sprintf("%s still, %s", view.Until(c.Now(), s.CoolDown.Ends), s.CoolDown.Reason.Word()))
	}
	if len(s.Skills) > 0 {
		line("skills", view.SkillsText(s.Skills))
	}
}

func (c commands) dnDeleteCommand() *cobra.Command {
	return c.Asking(&cobra.Command{
		Use: "delete NUMBER...", Short: "Delete DNs; their registrations end; needs a quorum", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			var mutations []*configpb.Mutation
			for _, number := range args {
				mutations = append(mutations, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}})
			}
			if err := cl.Write(cmd.Context(), mutations...); err != nil {
				return fmt.Errorf("dn delete: %w", err)
			}
			_, err = fmt.Fprintf(c.Out, "%s deleted\n", strings.Join(args, ", "))
			return err
		},
	})
}
