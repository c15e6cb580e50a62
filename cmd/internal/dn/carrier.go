package dn

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// carrierFlags are what dn put may say of numbers, of who calls, and of a trunk's limits.
type carrierFlags struct {
	dids                         []string
	number, name                 string
	withheld                     bool
	rules                        map[string]*[]string // by flag
	inbound, outbound            string
	preferredIdentity, userPhone bool
	register, registerCalled     string
	registerExpires              uint32
}

func (f *carrierFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.dids, "did", nil, "E.164 `NUMBER` by which the public network calls the DN, repeatable; replaces those that were, \"\" removes them")
	flags.StringVar(&f.number, "caller-number", "", "E.164 `NUMBER` that trunks are told calls come from: of a sip or pstn DN, or a trunk's for DNs without one")
	flags.StringVar(&f.name, "caller-name", "", "`NAME` that goes with it")
	flags.BoolVar(&f.withheld, "caller-withheld", false, "trunks that are not trusted are told that the caller is anonymous")
	f.rules = map[string]*[]string{}
	for _, way := range []string{"inbound", "outbound"} {
		for _, which := range []string{"called", "caller"} {
			name := way + "-" + which
			f.rules[name] = flags.StringArray(name, nil, fmt.Sprintf("`MATCH:STRIP:PREPEND` changes %s numbers of a trunk's %s calls, repeatable, the first that fits counts; replaces those that were, \"\" removes them", which, way))
		}
	}
	flags.StringVar(&f.inbound, "inbound-limit", "", "`CALLS[/PER_S]` of a trunk at a node that come by it, as 30 or 30/5; 0 is no bound")
	flags.StringVar(&f.outbound, "outbound-limit", "", "`CALLS[/PER_S]` of a trunk at a node that leave by it")
	flags.BoolVar(&f.preferredIdentity, "preferred-identity", false, "a trunk that is not trusted is told who calls by P-Preferred-Identity too")
	flags.StringVar(&f.register, "register", "", "one node registers at a trunk's carrier, with the outbound user's digest, as `USER@DOMAIN`; what is missing is the outbound user and the address's host: @ takes both. \"\" ends that")
	flags.StringVar(&f.registerCalled, "register-called", "", "`NUMBER` that the carrier's calls call then, as a did; \"\" is the user")
	flags.Uint32Var(&f.registerExpires, "register-expires", 0, "`SECONDS` for which it asks, 60 to 86400; 0 is 600")
	flags.BoolVar(&f.userPhone, "user-phone", false, "a trunk is told numbers with user=phone")
}

// change makes of the DN what the flags want.
func (f *carrierFlags) change(flags *pflag.FlagSet, d *configpb.DN) error {
	if flags.Changed("did") {
		d.Dids = without(f.dids, "")
	}
	f.changeCaller(flags, d)
	for name, set := range map[string]func(t *configpb.Trunk) error{
		"inbound-called":  func(t *configpb.Trunk) error { return f.changeRules("inbound-called", &t.InboundNumbers) },
		"inbound-caller":  func(t *configpb.Trunk) error { return f.changeRules("inbound-caller", &t.InboundNumbers) },
		"outbound-called": func(t *configpb.Trunk) error { return f.changeRules("outbound-called", &t.OutboundNumbers) },
		"outbound-caller": func(t *configpb.Trunk) error { return f.changeRules("outbound-caller", &t.OutboundNumbers) },
		"inbound-limit":   func(t *configpb.Trunk) (err error) { t.InboundLimit, err = parseLimit(f.inbound); return err },
		"outbound-limit":  func(t *configpb.Trunk) (err error) { t.OutboundLimit, err = parseLimit(f.outbound); return err },
		"preferred-identity": func(t *configpb.Trunk) error {
			t.PreferredIdentity = f.preferredIdentity
			return nil
		},
		"user-phone": func(t *configpb.Trunk) error { t.UserPhone = f.userPhone; return nil },
	} {
		if !flags.Changed(name) {
			continue
		}
		if d.Trunk == nil {
			d.Trunk = &configpb.Trunk{}
		}
		if err := set(d.Trunk); err != nil {
			return console.Usagef("--%s %w", name, err)
		}
	}
	return f.changeRegistration(flags, d)
}

// changeRegistration changes how the cluster registers at a trunk's carrier.
func (f *carrierFlags) changeRegistration(flags *pflag.FlagSet, d *configpb.DN) error {
	called, expires := flags.Changed("register-called"), flags.Changed("register-expires")
	switch {
	case flags.Changed("register") && f.register == "":
		if d.Trunk != nil {
			d.Trunk.Registration = nil
		}
		return nil
	case flags.Changed("register"):
		if d.Trunk == nil {
			d.Trunk = &configpb.Trunk{}
		}
		if d.Trunk.Registration == nil {
			d.Trunk.Registration = &configpb.TrunkRegistration{}
		}
		r, at := d.Trunk.Registration, strings.LastIndexByte(f.register, '@')
		if r.User, r.Domain = f.register, ""; at >= 0 {
			r.User, r.Domain = f.register[:at], f.register[at+1:]
		}
	case (called || expires) && d.GetTrunk().GetRegistration() == nil:
		return console.Usagef("--register-called and --register-expires need --register")
	}
	if called {
		d.Trunk.Registration.Called = f.registerCalled
	}
	if expires {
		d.Trunk.Registration.ExpiresS = f.registerExpires
	}
	return nil
}

// changeCaller changes the caller id of the DN, or of its trunk.
func (f *carrierFlags) changeCaller(flags *pflag.FlagSet, d *configpb.DN) {
	if !flags.Changed("caller-number") && !flags.Changed("caller-name") && !flags.Changed("caller-withheld") {
		return
	}
	id := &d.CallerId
	if d.Kind == configpb.DNKind_DN_KIND_TRUNK {
		if d.Trunk == nil {
			d.Trunk = &configpb.Trunk{}
		}
		id = &d.Trunk.CallerId
	}
	if *id == nil {
		*id = &configpb.CallerID{}
	}
	if flags.Changed("caller-number") {
		(*id).Number = f.number
	}
	if flags.Changed("caller-name") {
		(*id).Name = f.name
	}
	if flags.Changed("caller-withheld") {
		(*id).Withheld = f.withheld
	}
	if (*id).Number == "" && !(*id).Withheld {
		*id = nil // nothing is said any more
	}
}

// changeRules replaces the rules of a direction for called or calling numbers.
func (f *carrierFlags) changeRules(name string, all **configpb.NumberRules) error {
	var rules []*configpb.NumberRule
	for _, text := range without(*f.rules[name], "") {
		r, err := parseRule(text)
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	if *all == nil {
		*all = &configpb.NumberRules{}
	}
	if strings.HasSuffix(name, "called") {
		(*all).Called = rules
	} else {
		(*all).Caller = rules
	}
	if len((*all).Called)+len((*all).Caller) == 0 {
		*all = nil
	}
	return nil
}

// parseRule reads a rule as "0:1:+49".
func parseRule(text string) (*configpb.NumberRule, error) {
	parts := strings.Split(text, ":")
	if len(parts) == 3 {
		if strip, err := strconv.ParseUint(cmp.Or(parts[1], "0"), 10, 32); err == nil {
			return &configpb.NumberRule{Match: parts[0], Strip: uint32(strip), Prepend: parts[2]}, nil
		}
	}
	return nil, fmt.Errorf("%.80s: want MATCH:STRIP:PREPEND, as 0:1:+49", text)
}

// ruleText is what parseRule reads.
func ruleText(r *configpb.NumberRule) string {
	return fmt.Sprintf("%s:%d:%s", r.GetMatch(), r.GetStrip(), r.GetPrepend())
}

// parseLimit reads a limit as "30/5".
func parseLimit(text string) (*configpb.TrunkLimit, error) {
	calls, rate, _ := strings.Cut(text, "/")
	c, err := strconv.ParseUint(calls, 10, 32)
	r, err2 := strconv.ParseUint(cmp.Or(rate, "0"), 10, 32)
	switch {
	case err != nil || err2 != nil:
		return nil, fmt.Errorf("%.40s: want CALLS or CALLS/PER_S, as 30/5", text)
	case c == 0 && r == 0:
		return nil, nil //nolint:nilnil // no limit
	}
	return &configpb.TrunkLimit{Calls: uint32(c), CallsPerS: uint32(r)}, nil
}

func limitText(l *configpb.TrunkLimit) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", l.GetCalls(), l.GetCallsPerS())
}

// registrationText is as whom the cluster registers, as far as that is said.
func registrationText(t *configpb.Trunk) string {
	r := t.GetRegistration()
	if r == nil {
		return ""
	}
	text := "as " + cmp.Or(r.GetUser(), t.GetOutboundAuth().GetUser())
	if r.GetDomain() != "" {
		text += "@" + r.GetDomain()
	}
	if r.GetCalled() != "" {
		text += ", called " + r.GetCalled()
	}
	return text
}

func callerText(c *configpb.CallerID) string {
	text := strings.TrimSpace(c.GetName() + " " + c.GetNumber())
	if c.GetWithheld() {
		text = strings.TrimSpace(text + " (withheld)")
	}
	return text
}

func rulesText(rules []*configpb.NumberRule) string {
	var texts []string
	for _, r := range rules {
		texts = append(texts, ruleText(r))
	}
	return strings.Join(texts, " ")
}

// carrierLines tells what is configured of numbers, of who calls, and of limits.
func carrierLines(line func(name, value string), d *configpb.DN) {
	t := d.GetTrunk()
	for _, x := range [][2]string{
		{"dids", strings.Join(d.GetDids(), ", ")}, {"told as", cmp.Or(callerText(d.GetCallerId()), callerText(t.GetCallerId()))},
		{"in called", rulesText(t.GetInboundNumbers().GetCalled())}, {"in caller", rulesText(t.GetInboundNumbers().GetCaller())},
		{"out called", rulesText(t.GetOutboundNumbers().GetCalled())}, {"out caller", rulesText(t.GetOutboundNumbers().GetCaller())},
		{"registers", registrationText(t)}, {"in limit", limitText(t.GetInboundLimit())}, {"out limit", limitText(t.GetOutboundLimit())},
	} {
		if x[1] != "" {
			line(x[0], x[1])
		}
	}
}

// registered tells in words what the asked node knows of the registration at a carrier.
func registered(now time.Time, r *tcpb.TrunkRegistered) string {
	switch {
	case r.GetUntil() != nil:
		return "by this node for " + view.Until(now, r.GetUntil())
	case r.GetError() != "" && r.GetNode() != "":
		return "NOT: " + r.GetError() + "; it is the turn of node " + r.GetNode()
	case r.GetError() != "":
		return "NOT: " + r.GetError()
	case r.GetNode() == "":
		return "NOT: every node drains"
	}
	return "it is the turn of node " + r.GetNode()
}
