package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// putFlags are what dn put may say about a DN. A flag that is not given leaves
// the DN as it is.
type putFlags struct {
	cmd                     *cobra.Command
	kind, algorithm         string
	password                passwordFlags
	external                string
	groups                  []string
	disabled                bool
	defaultGroup            string
	routeTimeout            time.Duration
	trunkAddr, calledPrefix string
	priority                uint32
}

func (c *cli) dnPutCommand() *cobra.Command {
	var f putFlags
	cmd := c.client(&cobra.Command{
		Use: "put NUMBER", Short: "Create or change a DN; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Create a DN, or change what the flags say and leave the rest as it is: a sip DN
keeps its password when none is given. Groups that don't exist are created.`,
		Example: `  sipcluster dn put 1001 --kind sip --password-file - --group sales
  sipcluster dn put 2001 --kind pstn --external +15551234567
  sipcluster dn put 1001 --disabled`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkNumber(args[0]); err != nil {
				return usagef("%w", err)
			}
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			if err := c.putDN(cmd.Context(), cl, args[0], &f); err != nil {
				return fmt.Errorf("dn put %s: %w", args[0], err)
			}
			return nil
		},
	})
	f.add(cmd)
	return cmd
}

func (f *putFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", "sip", "`KIND` of the DN: sip, pstn, routing-point, trunk")
	f.password.add(cmd)
	flags.StringVar(&f.algorithm, "algorithm", "", "digest `ALGORITHM` of a sip DN: md5 (what most phones speak) or sha-256")
	flags.StringVar(&f.external, "external", "", "E.164 `NUMBER` of a pstn DN")
	flags.StringSliceVar(&f.groups, "group", nil, "agent `GROUP`, repeatable; replaces the DN's groups, \"\" removes them")
	flags.BoolVar(&f.disabled, "disabled", false, "take the DN out of service; --disabled=false brings it back")
	flags.StringVar(&f.defaultGroup, "default-group", "", "agent `GROUP` that a routing point uses when no router decides")
	flags.DurationVar(&f.routeTimeout, "route-timeout", 0, "how long a routing point waits for a router before it decides itself")
	flags.StringVar(&f.trunkAddr, "address", "", "`HOST:PORT` of a trunk's gateway")
	flags.StringVar(&f.calledPrefix, "called-prefix", "", "use the trunk for called numbers that begin with `DIGITS`")
	flags.Uint32Var(&f.priority, "priority", 0, "the trunk of the smallest `NUMBER` is tried first")
}

// putDN reads the DN, changes it and writes it back if nobody else did meanwhile.
func (c *cli) putDN(ctx context.Context, cl *client, number string, f *putFlags) error {
	answer, err := unary(ctx, cl, cl.config.GetDN, &configpb.GetDNRequest{Number: number, Linearizable: true})
	if err != nil && !refused(err, codes.NotFound) {
		return err
	}
	old := answer.GetDn()
	d, err := f.change(number, old)
	if err != nil {
		return err
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}, IfRevision: proto.Uint64(old.GetRevision()), KeepHa1: true}
	if d.Kind == configpb.DNKind_DN_KIND_SIP && (f.password.given() || old.GetKind() != d.Kind) {
		if err := c.setPassword(ctx, cl, d, f); err != nil {
			return err
		}
		m.KeepHa1 = false
	}
	fresh, err := cl.missingGroups(ctx, d.Groups)
	if err != nil {
		return err
	}
	if err := cl.write(ctx, append(fresh, m)...); err != nil {
		return err
	}
	c.reportPut(number, old == nil, fresh)
	return nil
}

func (c *cli) reportPut(number string, created bool, groups []*configpb.Mutation) {
	for _, g := range groups {
		fmt.Fprintf(c.out, "group %s created\n", g.GetPutGroup().GetName())
	}
	word := "changed"
	if created {
		word = "created"
	}
	fmt.Fprintf(c.out, "dn %s %s\n", number, word)
}

// change returns the DN as the flags want it. old is nil for a new one.
func (f *putFlags) change(number string, old *configpb.DN) (*configpb.DN, error) {
	d := &configpb.DN{Number: number}
	if old != nil {
		d = proto.CloneOf(old)
		d.Revision = 0
	}
	flags := f.cmd.Flags()
	if old == nil || flags.Changed("kind") {
		kind, err := parseKind(f.kind)
		if err != nil {
			return nil, usagef("--kind %w", err)
		}
		if old != nil && kind != old.Kind {
			d = &configpb.DN{Number: number, Groups: d.Groups, Disabled: d.Disabled}
		}
		d.Kind = kind
	}
	if flags.Changed("external") {
		d.External = f.external
	}
	if flags.Changed("group") {
		d.Groups = without(f.groups, "")
	}
	if flags.Changed("disabled") {
		d.Disabled = f.disabled
	}
	f.changeRoute(d)
	if flags.Changed("algorithm") && !f.password.given() && old != nil {
		return nil, usagef("--algorithm needs a password (--password, --password-file): the stored digest can't be converted")
	}
	return d, f.check(d)
}

func (f *putFlags) changeRoute(d *configpb.DN) {
	flags := f.cmd.Flags()
	if flags.Changed("default-group") || flags.Changed("route-timeout") {
		if d.RoutingPoint == nil {
			d.RoutingPoint = &configpb.RoutingPoint{}
		}
		if flags.Changed("default-group") {
			d.RoutingPoint.DefaultGroup = f.defaultGroup
		}
		if flags.Changed("route-timeout") {
			d.RoutingPoint.TimeoutMs = uint32(f.routeTimeout.Milliseconds())
		}
	}
	if flags.Changed("address") || flags.Changed("called-prefix") || flags.Changed("priority") {
		if d.Trunk == nil {
			d.Trunk = &configpb.Trunk{}
		}
		if flags.Changed("address") {
			d.Trunk.Address = f.trunkAddr
		}
		if flags.Changed("called-prefix") {
			d.Trunk.Prefix = f.calledPrefix
		}
		if flags.Changed("priority") {
			d.Trunk.Priority = f.priority
		}
	}
}

// check refuses flags that don't fit the kind, as a matter of usage.
func (f *putFlags) check(d *configpb.DN) error {
	switch {
	case f.password.given() && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return usagef("kind %s takes no password: leave --password and --password-file out", d.Kind.Word())
	case d.Kind == configpb.DNKind_DN_KIND_PSTN && d.External == "":
		return usagef("kind pstn needs --external, as +15551234567")
	case d.Kind == configpb.DNKind_DN_KIND_TRUNK && d.GetTrunk().GetAddress() == "":
		return usagef("kind trunk needs --address HOST:PORT")
	}
	return nil
}

// setPassword computes ha1 from the flags or, for a new sip DN without any,
// from what the person types.
func (c *cli) setPassword(ctx context.Context, cl *client, d *configpb.DN, f *putFlags) error {
	alg, err := parseAlgorithm(f.algorithm)
	if err != nil {
		return usagef("--algorithm %w", err)
	}
	if !f.cmd.Flags().Changed("algorithm") && d.Algorithm != configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED {
		alg = d.Algorithm
	}
	var password string
	if f.password.given() {
		password, err = f.password.read(c.in)
	} else {
		password, err = c.prompt(d.Number)
	}
	if err != nil {
		return err
	}
	realm, err := cl.realm(ctx)
	if err != nil {
		return err
	}
	d.Algorithm, d.Ha1 = alg, ha1(alg, d.Number, realm, password)
	return nil
}

// missingGroups are the mutations that create what does not exist of names.
func (c *client) missingGroups(ctx context.Context, names []string) ([]*configpb.Mutation, error) {
	if len(names) == 0 {
		return nil, nil
	}
	existing, err := c.groups(ctx)
	if err != nil {
		return nil, err
	}
	var fresh []*configpb.Mutation
	for _, name := range names {
		if !existing[name] {
			existing[name] = true
			fresh = append(fresh, putNewGroup(name))
		}
	}
	return fresh, nil
}

func putNewGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{
		Op:         &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}},
		IfRevision: proto.Uint64(0),
	}
}

// groups are the names of the agent groups that exist.
func (c *client) groups(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	stream, err := c.config.Export(ctx, &configpb.ExportRequest{Linearizable: true})
	if err != nil {
		return nil, c.explain(err)
	}
	names := map[string]bool{}
	for {
		part, err := stream.Recv()
		if isEnd(err) {
			return names, nil
		}
		if err != nil {
			return nil, c.explain(err)
		}
		for _, g := range part.Groups {
			names[g.Name] = true
		}
		if len(part.Dns) > 0 { // groups come before DNs
			return names, nil
		}
	}
}

func without(list []string, unwanted string) []string {
	var kept []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != unwanted {
			kept = append(kept, s)
		}
	}
	return kept
}
