package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

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
	Agent *agentJSON `json:"agent,omitempty"`
}

// dnDetailJSON is dn get: the row and what is configured.
type dnDetailJSON struct {
	dnJSON
	Configured bool     `json:"configured"`
	Enabled    bool     `json:"enabled"`
	Groups     []string `json:"groups"`
	External   string   `json:"external"`
	Revision   uint64   `json:"revision"`
}

func newDNJSON(d *tcpb.DNStatus) dnJSON {
	return dnJSON{d.Dn, d.Kind, stateName(d.State), d.Owner, d.Site, reasonName(d.Reason), rfc3339(d.Since), d.Routable, d.Busy, d.Reserved, newAgentJSON(d.Agent)}
}

func (c *cli) dnCommand() *cobra.Command {
	cmd := group("dn", "Directory numbers: configure them, and see what is in service")
	cmd.AddCommand(c.dnPutCommand(), c.dnGetCommand(), c.dnListCommand(), c.dnDeleteCommand(), c.dnImportCommand(), c.dnWatchCommand())
	return cmd
}

// filterFlags are the flags that choose DNs.
type filterFlags struct {
	filter tcpb.Filter
	state  string
}

func (f *filterFlags) add(cmd *cobra.Command, withState bool) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Owner, "owner", "", "only DNs owned by this `NODE`")
	flags.StringVar(&f.filter.Site, "site", "", "only DNs owned at this `SITE`")
	flags.StringVar(&f.filter.Group, "group", "", "only DNs of this agent `GROUP`")
	flags.StringVar(&f.filter.Kind, "kind", "", "only this `KIND`: sip, pstn, routing-point, trunk")
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
		return usagef("--state %s: want InSrv or OOS", f.state)
	}
	if f.filter.Kind != "" {
		if _, err := parseKind(f.filter.Kind); err != nil {
			return usagef("--kind %w", err)
		}
	}
	return nil
}

func (c *cli) dnListCommand() *cobra.Command {
	var f filterFlags
	var routable bool
	cmd := c.reading(&cobra.Command{
		Use: "list", Short: "List DNs as the asked node sees them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
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
func (c *cli) listDNs(ctx context.Context, cl *client, f *tcpb.Filter, routable bool) error {
	if c.json() {
		a := newJSONArray(c.out)
		if err := cl.eachDN(ctx, f, routable, func(d *tcpb.DNStatus) error { return a.add(newDNJSON(d)) }); err != nil {
			return err
		}
		return a.end()
	}
	t := &table{head: []string{"DN", "KIND", "STATE", "OWNER", "SITE", "REASON", "FOR", "ROUTABLE", "AGENT"}}
	now := c.now()
	err := cl.eachDN(ctx, f, routable, func(d *tcpb.DNStatus) error {
		t.add(text(d.Dn), text(dash(d.Kind)), stateCell(d.State), text(dash(d.Owner)), text(dash(d.Site)),
			text(dash(reasonName(d.Reason))), text(age(now, d.Since)), text(yesNo(d.Routable)), agentCell(d.Agent))
		return nil
	})
	if err != nil {
		return err
	}
	return c.print(t)
}

// eachDN pages through a list.
func (c *client) eachDN(ctx context.Context, f *tcpb.Filter, routable bool, fn func(*tcpb.DNStatus) error) error {
	const pageSize = 5_000
	for token := ""; ; {
		dns, next, err := c.page(ctx, f, routable, pageSize, token)
		if err != nil {
			return err
		}
		for _, d := range dns {
			if err := fn(d); err != nil {
				return err
			}
		}
		if token = next; token == "" {
			return nil
		}
	}
}

func (c *client) page(ctx context.Context, f *tcpb.Filter, routable bool, size uint32, token string) ([]*tcpb.DNStatus, string, error) {
	if routable {
		resp, err := unary(ctx, c, c.availability.ListRoutable, &tcpb.ListRoutableRequest{Filter: f, PageSize: size, PageToken: token})
		return resp.GetDns(), resp.GetNextPageToken(), err
	}
	resp, err := unary(ctx, c, c.availability.ListDNs, &tcpb.ListDNsRequest{Filter: f, PageSize: size, PageToken: token})
	return resp.GetDns(), resp.GetNextPageToken(), err
}

func (c *cli) dnGetCommand() *cobra.Command {
	return c.reading(&cobra.Command{
		Use: "get NUMBER", Short: "Show one DN: its state and its configuration", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			status, err := unary(cmd.Context(), cl, cl.availability.GetDN, &tcpb.GetDNStatusRequest{Dn: args[0]})
			if err != nil {
				return fmt.Errorf("dn get: %w", err)
			}
			answer, err := unary(cmd.Context(), cl, cl.config.GetDN, &configpb.GetDNRequest{Number: args[0]})
			if err != nil && !refused(err, codes.NotFound) {
				return fmt.Errorf("dn get: %w", err)
			}
			if c.json() {
				return encode(c.out, newDNDetailJSON(status, answer.GetDn()))
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
	return dnDetailJSON{newDNJSON(s), d != nil, d != nil && !d.Disabled, groups, d.GetExternal(), d.GetRevision()}
}

func (c *cli) printDN(s *tcpb.DNStatus, d *configpb.DN) error {
	line := func(name, value string) { fmt.Fprintf(c.out, "%-9s %s\n", name, value) }
	line("dn", s.Dn)
	line("kind", dash(s.Kind))
	line("state", paint(stateCell(s.State), c.colour()))
	line("owner", dash(s.Owner))
	line("site", dash(s.Site))
	line("reason", dash(reasonName(s.Reason)))
	line("for", age(c.now(), s.Since))
	line("routable", yesNo(s.Routable))
	line("agent", paint(agentCell(s.Agent), c.colour()))
	if s.Agent != nil {
		line("agent for", age(c.now(), s.Agent.Since))
		line("reasons", dash(reasonsText(s.Agent.Reasons)))
	}
	line("in use", dash(useName(s.Busy, s.Reserved)))
	if d == nil {
		line("config", "not configured")
		return nil
	}
	line("enabled", yesNo(!d.Disabled))
	line("groups", dash(strings.Join(d.Groups, ", ")))
	switch d.Kind {
	case configpb.DNKind_DN_KIND_PSTN:
		line("external", dash(d.External))
	case configpb.DNKind_DN_KIND_TRUNK:
		line("address", d.GetTrunk().GetAddress())
		line("prefix", dash(d.GetTrunk().GetPrefix()))
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		line("default", dash(d.GetRoutingPoint().GetDefaultGroup()))
	}
	line("revision", fmt.Sprint(d.Revision))
	return nil
}

func (c *cli) dnDeleteCommand() *cobra.Command {
	return c.client(&cobra.Command{
		Use: "delete NUMBER...", Short: "Delete DNs; their registrations end; needs a quorum", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			var mutations []*configpb.Mutation
			for _, number := range args {
				mutations = append(mutations, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}})
			}
			if err := cl.write(cmd.Context(), mutations...); err != nil {
				return fmt.Errorf("dn delete: %w", err)
			}
			_, err = fmt.Fprintf(c.out, "%s deleted\n", strings.Join(args, ", "))
			return err
		},
	})
}

// errKind says that a text names no kind of DN.
var errKind = errors.New("want sip, pstn, routing-point or trunk")

func parseKind(s string) (configpb.DNKind, error) {
	k := configpb.KindOf(s)
	if k == configpb.DNKind_DN_KIND_UNSPECIFIED {
		return 0, fmt.Errorf("%.20q: %w", s, errKind)
	}
	return k, nil
}
