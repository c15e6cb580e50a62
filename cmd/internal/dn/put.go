package dn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// putFlags are what dn put may say about a DN. A flag that is not given leaves
// the DN as it is.
type putFlags struct {
	cmd             *cobra.Command
	kind, algorithm string
	password        passwordFlags
	external        string
	groups          []string
	disabled        bool
	defaultGroup    string
	routeTimeout    time.Duration
	outbound        string
	trunk           trunkFlags
	carrier         carrierFlags
	feature         string
	capacity        uint32
	dual            bool
	skills          map[string]string
	tellPosition    bool
	preferMedia     bool
}

func (c commands) dnPutCommand() *cobra.Command {
	var f putFlags
	cmd := c.Asking(&cobra.Command{
		Use: "put NUMBER", Short: "Create or change a DN; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Create a DN, or change what the flags say and leave the rest as it is: a sip DN
keeps its password when none is given. Groups that don't exist are created.`,
		Example: `  sipcluster dn put 1001 --kind sip --password-file - --group sales
  sipcluster dn put 2001 --kind pstn --external +15551234567
  sipcluster dn put 1001 --disabled
  sipcluster dn put 1001 --outbound internal
  sipcluster dn put carrier --kind trunk --address 192.0.2.10:5060 --called-prefix + --source 192.0.2.0/28 --trusted`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := config.CheckNumber(args[0]); err != nil {
				return console.Usagef("%w", err)
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
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
	flags.StringVar(&f.kind, "kind", "sip", "`KIND` of the DN: sip, pstn, routing-point, trunk, feature")
	f.password.add(cmd)
	flags.StringVar(&f.algorithm, "algorithm", "", "digest `ALGORITHM`: of a sip DN md5 (what most phones speak, and the default) or sha-256; of --outbound-user whichever the carrier asks for, unless it is said")
	flags.StringVar(&f.external, "external", "", "E.164 `NUMBER` of a pstn DN")
	flags.StringSliceVar(&f.groups, "group", nil, "agent `GROUP`, repeatable; replaces the DN's groups, \"\" removes them")
	flags.BoolVar(&f.disabled, "disabled", false, "take the DN out of service; --disabled=false brings it back")
	flags.StringVar(&f.defaultGroup, "default-group", "", "agent `GROUP` that a routing point uses when no router decides")
	flags.DurationVar(&f.routeTimeout, "route-timeout", 0, "how long a routing point waits for a router before it decides itself")
	flags.BoolVar(&f.tellPosition, "tell-position", false, "a routing point tells callers their place among those that wait (182 Queued)")
	flags.BoolVar(&f.preferMedia, "prefer-same-media", false, "a routing point prefers agents whose phones speak what the caller offers: RTP, SRTP or DTLS-SRTP")
	flags.StringVar(&f.outbound, "outbound", "all", "where calls of a sip DN or trunk may go: all, none, internal (by no trunk), or `PREFIXES` of numbers as +49,00")
	flags.StringVar(&f.feature, "feature", "", "what dialling a DN of kind feature does: `ACTION` login, logout, ready, not-ready, dnd-on, dnd-off")
	flags.Uint32Var(&f.capacity, "capacity", 1, "how many `CALLS` a sip or pstn DN may have before it is busy")
	flags.BoolVar(&f.dual, "dual-registration", false, "the phone of a sip DN registers at two nodes by two accounts: both count")
	flags.StringToStringVar(&f.skills, "skill", nil, "`GROUP=LEVEL`, 1 to 100, repeatable; replaces the DN's levels, GROUP=0 is none")
	f.trunk.add(flags)
	f.carrier.add(flags)
}

// only lets a mutation change what differs from the DN that was read, whatever others
// change of it meanwhile, and tells whether anything does; a new DN, or one of another
// kind, must be as it was.
func only(m *configpb.Mutation, old *configpb.DN) bool {
	d := m.GetPutDn()
	if old == nil || d.Kind != old.Kind {
		m.IfRevision = proto.Uint64(old.GetRevision())
		return true
	}
	m.Mask = configpb.Changed(old, d)
	return m.Mask != nil
}

// putDN reads the DN and writes what the flags change of it.
func (c commands) putDN(ctx context.Context, cl *client.Client, number string, f *putFlags) error {
	answer, err := client.Unary(ctx, cl, cl.Config.GetDN, &configpb.GetDNRequest{Number: number, Linearizable: true})
	if err != nil && !client.Refused(err, codes.NotFound) {
		return err
	}
	old := answer.GetDn()
	d, err := f.change(number, old)
	if err != nil {
		return err
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}, KeepHa1: true}
	if d.Kind == configpb.DNKind_DN_KIND_SIP && (f.password.given() || old.GetKind() != d.Kind) {
		if err := c.setPassword(ctx, cl, d, f); err != nil {
			return err
		}
		m.KeepHa1 = false
	}
	if err := f.trunk.setPasswords(ctx, cl, d.Trunk, c.In, f.algorithm); err != nil {
		return err
	}
	fresh, err := cl.MissingGroups(ctx, d.Groups)
	if err != nil {
		return err
	}
	if only(m, old) {
		if err := cl.Write(ctx, append(fresh, m)...); err != nil {
			return err
		}
	}
	c.reportPut(number, old == nil, fresh)
	return nil
}

func (c commands) reportPut(number string, created bool, groups []*configpb.Mutation) {
	for _, g := range groups {
		fmt.Fprintf(c.Out, "group %s created\n", g.GetPutGroup().GetName())
	}
	word := "changed"
	if created {
		word = "created"
	}
	fmt.Fprintf(c.Out, "dn %s %s\n", number, word)
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
		kind, err := config.ParseKind(f.kind)
		if err != nil {
			return nil, console.Usagef("--kind %w", err)
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
		maps.DeleteFunc(d.Skills, func(g string, _ uint32) bool { return !slices.Contains(d.Groups, g) })
	}
	if flags.Changed("disabled") {
		d.Disabled = f.disabled
	}
	if flags.Changed("outbound") {
		o, err := configpb.ParseOutbound(f.outbound)
		if err != nil {
			return nil, console.Usagef("--outbound %w", err)
		}
		d.Outbound = o
	}
	if err := f.changeTakes(d); err != nil {
		return nil, err
	}
	f.changeRoute(d)
	if err := f.trunk.change(flags, d); err != nil {
		return nil, err
	}
	if err := f.carrier.change(flags, d); err != nil {
		return nil, err
	}
	if flags.Changed("algorithm") && !f.password.given() && !f.trunk.passwords() && old != nil {
		return nil, console.Usagef("--algorithm needs a password (--password, --password-file): the stored digest can't be converted")
	}
	return d, f.check(d)
}

// changeTakes changes which calls the DN takes, and what dialling it does.
func (f *putFlags) changeTakes(d *configpb.DN) error {
	flags := f.cmd.Flags()
	if flags.Changed("feature") {
		a, err := configpb.ParseFeature(f.feature)
		if err != nil {
			return console.Usagef("--feature %w", err)
		}
		d.Feature = &configpb.Feature{Action: a}
	}
	if flags.Changed("capacity") {
		d.Capacity = f.capacity
	}
	if flags.Changed("dual-registration") {
		d.DualRegistration = f.dual
	}
	if !flags.Changed("skill") {
		return nil
	}
	d.Skills = nil
	for group, text := range f.skills {
		level, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return console.Usagef("--skill %.70s=%.20s: want a level of 0 to 100", group, text)
		}
		if level == 0 {
			continue
		}
		if d.Skills == nil {
			d.Skills = map[string]uint32{}
		}
		d.Skills[group] = uint32(level)
	}
	return nil
}

func (f *putFlags) changeRoute(d *configpb.DN) {
	flags := f.cmd.Flags()
	if !slices.ContainsFunc([]string{"default-group", "route-timeout", "tell-position", "prefer-same-media"}, flags.Changed) {
		return
	}
	if d.RoutingPoint == nil {
		d.RoutingPoint = &configpb.RoutingPoint{}
	}
	if flags.Changed("default-group") {
		d.RoutingPoint.DefaultGroup = f.defaultGroup
	}
	if flags.Changed("route-timeout") {
		d.RoutingPoint.TimeoutMs = uint32(f.routeTimeout.Milliseconds())
	}
	if flags.Changed("tell-position") {
		d.RoutingPoint.TellPosition = f.tellPosition
	}
	if flags.Changed("prefer-same-media") {
		d.RoutingPoint.PreferSameMedia = f.preferMedia
	}
}

// check refuses flags that don't fit the kind, as a matter of usage.
func (f *putFlags) check(d *configpb.DN) error {
	switch {
	case f.password.given() && d.Kind != configpb.DNKind_DN_KIND_SIP:
		return console.Usagef("kind %s takes no password: leave --password and --password-file out", d.Kind.Word())
	case d.Kind == configpb.DNKind_DN_KIND_PSTN && d.External == "":
		return console.Usagef("kind pstn needs --external, as +15551234567")
	case d.Kind == configpb.DNKind_DN_KIND_FEATURE && d.Feature == nil:
		return console.Usagef("kind feature needs --feature, as login")
	case d.Kind == configpb.DNKind_DN_KIND_TRUNK && d.GetTrunk().GetAddress() == "":
		return console.Usagef("kind trunk needs --address HOST:PORT")
	case d.Kind != configpb.DNKind_DN_KIND_TRUNK && f.trunk.passwords():
		return console.Usagef("only kind trunk takes --inbound-password-file and --outbound-password-file")
	}
	return nil
}

// setPassword computes ha1 from the flags or, for a new sip DN without any,
// from what the person types.
func (c commands) setPassword(ctx context.Context, cl *client.Client, d *configpb.DN, f *putFlags) error {
	alg, err := config.ParseAlgorithm(f.algorithm)
	if err != nil {
		return console.Usagef("--algorithm %w", err)
	}
	if !f.cmd.Flags().Changed("algorithm") && d.Algorithm != configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED {
		alg = d.Algorithm
	}
	var password string
	if f.password.given() {
		password, err = f.password.read(c.In)
	} else {
		password, err = c.prompt(d.Number)
	}
	if err != nil {
		return err
	}
	realm, err := cl.Realm(ctx)
	if err != nil {
		return err
	}
	d.Algorithm, d.Ha1 = alg, config.HA1(alg, d.Number, realm, password)
	return nil
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
