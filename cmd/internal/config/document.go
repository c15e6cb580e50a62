// Package config is the configuration as text: the YAML of apply and export, the
// plan that compares it with what a cluster has, and the words for kinds, numbers
// and digests.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Document is the configuration as text: what apply reads and export writes.
// The nodes are not part of it: they come and go by join and remove.
type Document struct {
	Options *optionsDoc `yaml:"options,omitempty"`
	Groups  []Group     `yaml:"groups,omitempty"`
	DNs     []DN        `yaml:"dns,omitempty"`
}

// optionsDoc leaves an option that it does not name as it is.
type optionsDoc struct {
	Realm          *string `yaml:"realm,omitempty"`
	MinExpires     *uint32 `yaml:"min_expires_s,omitempty"`
	MaxExpires     *uint32 `yaml:"max_expires_s,omitempty"`
	DefaultExpires *uint32 `yaml:"default_expires_s,omitempty"`
	MaxContacts    *uint32 `yaml:"max_contacts,omitempty"`
	PingInterval   *uint32 `yaml:"ping_interval_s,omitempty"`
	PingMisses     *uint32 `yaml:"ping_misses,omitempty"`
	DesktopGrace   *uint32 `yaml:"desktop_grace_s,omitempty"`
	Collect        *uint32 `yaml:"reservation_collect_ms,omitempty"`
	FlowGrace      *uint32 `yaml:"flow_grace_s,omitempty"`
	OrphanRing     *uint32 `yaml:"orphan_ring_ms,omitempty"`
	FirstWord      *uint32 `yaml:"first_word_ms,omitempty"`
	MaxVoters      *uint32 `yaml:"max_voters,omitempty"`
	DeadVoter      *uint32 `yaml:"dead_voter_s,omitempty"`
	TrunkOptions   *uint32 `yaml:"trunk_options_s,omitempty"`
	RaftLog        *uint64 `yaml:"raft_log_bytes,omitempty"`
	// A policy is one option: what it does not say is not set.
	Policy     *policyDoc `yaml:"policy,omitempty"`
	AgentLogin *string    `yaml:"agent_login,omitempty"`
	Dual       *bool      `yaml:"dual_registration,omitempty"`
	Voicemail  *string    `yaml:"voicemail_trunk,omitempty"`
}

// Group is an agent group.
type Group struct {
	Name          string     `yaml:"name"`
	LoginRequired bool       `yaml:"login_required,omitempty"`
	Policy        *policyDoc `yaml:"policy,omitempty"`
}

// DN is a whole DN: what it does not name is not set. Only the credentials
// of a sip DN stay when neither ha1 nor password is there.
type DN struct {
	DN           string           `yaml:"dn"`
	Kind         string           `yaml:"kind"`
	Disabled     bool             `yaml:"disabled,omitempty"`
	Algorithm    string           `yaml:"algorithm,omitempty"`
	HA1          string           `yaml:"ha1,omitempty"`
	Password     string           `yaml:"password,omitempty"`
	External     string           `yaml:"external,omitempty"`
	Groups       []string         `yaml:"groups,omitempty,flow"`
	RoutingPoint *routingPointDoc `yaml:"routing_point,omitempty"`
	Trunk        *trunkDoc        `yaml:"trunk,omitempty"`
	// Outbound is all, none, internal, or prefixes with commas between them.
	Outbound string `yaml:"outbound,omitempty"`
	// Feature is the word of the action of kind feature.
	Feature  string            `yaml:"feature,omitempty"`
	Capacity uint32            `yaml:"capacity,omitempty"`
	Skills   map[string]uint32 `yaml:"skills,omitempty,flow"`
	Dual     bool              `yaml:"dual_registration,omitempty"`
	DIDs     []string          `yaml:"dids,omitempty,flow"`
	CallerID *callerIDDoc      `yaml:"caller_id,omitempty,flow"`
}

type routingPointDoc struct {
	DefaultGroup string     `yaml:"default_group,omitempty"`
	TimeoutMS    uint32     `yaml:"timeout_ms,omitempty"`
	Policy       *policyDoc `yaml:"policy,omitempty"`
	TellPosition bool       `yaml:"tell_position,omitempty"`
	PreferMedia  bool       `yaml:"prefer_same_media,omitempty"`
}

// maxDocument bounds a YAML file in bytes: that of a million DNs has less.
const maxDocument = 256 << 20

// bounded reads at most so many bytes and then fails.
type bounded struct {
	r    io.Reader
	left int64
	most int64
}

func newBounded(r io.Reader, most int64) *bounded { return &bounded{r, most, most} }

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.over()
	}
	return n, err
}

// over is the error of a file that is too large, nil for one that isn't.
func (b *bounded) over() error {
	if b.left < 0 {
		return fmt.Errorf("the file is larger than %d bytes: split it", b.most)
	}
	return nil
}

// readDocument refuses unknown keys, more than one document, and a file of more
// than most bytes.
func readDocument(r io.Reader, most int64) (*Document, error) {
	d, in := &Document{}, newBounded(r, most)
	dec := yaml.NewDecoder(in)
	dec.KnownFields(true)
	if err := dec.Decode(d); err != nil && !errors.Is(err, io.EOF) {
		return nil, cmp.Or(in.over(), YamlError(err))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(in.over(), errors.New("the file has more than one YAML document: want one"))
	}
	return d, d.check()
}

// check finds what is there twice: the later one would win silently.
func (d *Document) check() error {
	groups, dns := map[string]bool{}, map[string]bool{}
	for _, g := range d.Groups {
		if groups[g.Name] {
			return fmt.Errorf("group %q appears twice", g.Name)
		}
		groups[g.Name] = true
	}
	for _, n := range d.DNs {
		switch {
		case CheckNumber(n.DN) != nil:
			return CheckNumber(n.DN)
		case dns[n.DN]:
			return fmt.Errorf("DN %s appears twice", n.DN)
		case n.HA1 != "" && n.Password != "":
			return fmt.Errorf("DN %s has both ha1 and password: want one", n.DN)
		}
		dns[n.DN] = true
	}
	return nil
}

var (
	unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongSort  = regexp.MustCompile("cannot unmarshal !!(\\w+)( `.*`)? into \\S+")
)

// YamlError says it in the words of a person who writes YAML, not Go.
func YamlError(err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	var types *yaml.TypeError
	if errors.As(err, &types) && len(types.Errors) > 0 {
		msg = types.Errors[0]
	}
	msg = unknownKey.ReplaceAllString(msg, "unknown key $1")
	return errors.New(wrongSort.ReplaceAllString(msg, "a $1$2 does not fit here"))
}

// config makes the DN that the cluster stores; keep tells that it names no
// credentials.
func (n *DN) config(realm string) (d *configpb.DN, keep bool, err error) {
	kind, err := ParseKind(n.Kind)
	if err != nil {
		return nil, false, fmt.Errorf("DN %s: kind %w", n.DN, err)
	}
	d = &configpb.DN{Number: n.DN, Kind: kind, Disabled: n.Disabled, External: n.External, Groups: n.Groups, Capacity: n.Capacity, Skills: n.Skills, DualRegistration: n.Dual, Dids: n.DIDs, CallerId: n.CallerID.config()}
	if err := n.policies(d); err != nil {
		return nil, false, fmt.Errorf("DN %s: %w", n.DN, err)
	}
	if d.Outbound, err = configpb.ParseOutbound(n.Outbound); err != nil {
		return nil, false, fmt.Errorf("DN %s: outbound %w", n.DN, err)
	}
	if n.Trunk != nil {
		if d.Trunk, keep, err = n.Trunk.config(realm); err != nil {
			return nil, false, fmt.Errorf("DN %s: %w", n.DN, err)
		}
	}
	if kind != configpb.DNKind_DN_KIND_SIP {
		if n.HA1 != "" || n.Password != "" || n.Algorithm != "" {
			return nil, false, fmt.Errorf("DN %s: kind %s takes no ha1, password or algorithm", n.DN, n.Kind)
		}
		return d, keep, nil
	}
	if d.Algorithm, err = ParseAlgorithm(n.Algorithm); err != nil {
		return nil, false, fmt.Errorf("DN %s: algorithm %w", n.DN, err)
	}
	if d.Ha1 = n.HA1; n.Password != "" {
		d.Ha1 = HA1(d.Algorithm, n.DN, realm, n.Password)
	}
	return d, d.Ha1 == "", nil
}

// newDNDoc is the text of a stored DN.
func newDNDoc(d *configpb.DN) DN {
	n := DN{DN: d.Number, Kind: d.Kind.Word(), Disabled: d.Disabled, HA1: d.Ha1, External: d.External, Groups: d.Groups, Feature: d.Feature.GetAction().Word(), Capacity: d.Capacity, Skills: d.Skills, Dual: d.DualRegistration, DIDs: d.Dids, CallerID: newCallerIDDoc(d.CallerId)}
	if d.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		n.Algorithm = algorithmName(d.Algorithm)
	}
	if r := d.RoutingPoint; r != nil {
		n.RoutingPoint = &routingPointDoc{r.DefaultGroup, r.TimeoutMs, newPolicyDoc(r.Policy), r.TellPosition, r.PreferSameMedia}
	}
	if d.Trunk != nil {
		n.Trunk = newTrunkDoc(d.Trunk)
	}
	if d.Outbound != nil {
		n.Outbound = d.Outbound.Text()
	}
	return n
}

func newOptionsDoc(o *configpb.Options) *optionsDoc {
	d := &optionsDoc{
		Realm: &o.Realm, MinExpires: &o.MinExpiresS, MaxExpires: &o.MaxExpiresS, DefaultExpires: &o.DefaultExpiresS,
		MaxContacts: &o.MaxContacts, PingInterval: o.PingIntervalS, PingMisses: &o.PingMisses,
		DesktopGrace: &o.DesktopGraceS, Collect: &o.ReservationCollectMs,
		FlowGrace: o.FlowGraceS, OrphanRing: &o.OrphanRingMs, FirstWord: o.FirstWordMs,
		DeadVoter: o.DeadVoterS, TrunkOptions: o.TrunkOptionsS,
	}
	if o.MaxVoters != 0 {
		d.MaxVoters = &o.MaxVoters
	}
	if o.RaftLogBytes != 0 {
		d.RaftLog = &o.RaftLogBytes
	}
	if o.DualRegistration {
		d.Dual = &o.DualRegistration
	}
	if o.VoicemailTrunk != "" {
		d.Voicemail = &o.VoicemailTrunk
	}
	if d.Policy = newPolicyDoc(o.Policy); o.AgentLogin != 0 {
		word := o.AgentLogin.Word()
		d.AgentLogin = &word
	}
	return d
}

// merge sets what the text names.
func (o *optionsDoc) merge(into *configpb.Options) (err error) {
	set := func(field *uint32, value *uint32) {
		if value != nil {
			*field = *value
		}
	}
	set(&into.MinExpiresS, o.MinExpires)
	set(&into.MaxExpiresS, o.MaxExpires)
	set(&into.DefaultExpiresS, o.DefaultExpires)
	set(&into.MaxContacts, o.MaxContacts)
	set(&into.PingMisses, o.PingMisses)
	set(&into.DesktopGraceS, o.DesktopGrace)
	set(&into.ReservationCollectMs, o.Collect)
	set(&into.OrphanRingMs, o.OrphanRing)
	set(&into.MaxVoters, o.MaxVoters)
	for field, value := range map[**uint32]*uint32{&into.PingIntervalS: o.PingInterval, &into.FlowGraceS: o.FlowGrace, &into.FirstWordMs: o.FirstWord, &into.DeadVoterS: o.DeadVoter, &into.TrunkOptionsS: o.TrunkOptions} {
		if value != nil {
			*field = value
		}
	}
	if o.RaftLog != nil {
		into.RaftLogBytes = *o.RaftLog
	}
	if o.Dual != nil {
		into.DualRegistration = *o.Dual
	}
	if o.Voicemail != nil {
		into.VoicemailTrunk = *o.Voicemail
	}
	if o.AgentLogin != nil {
		if into.AgentLogin, err = configpb.ParseAgentLogin(*o.AgentLogin); err != nil {
			return fmt.Errorf("options.agent_login %w", err)
		}
	}
	if o.Policy != nil {
		if into.Policy, err = o.Policy.config(); err != nil {
			return fmt.Errorf("options.%w", err)
		}
	}
	return nil
}

// writeYAML writes v with the indentation that people use, each line behind
// the margin.
func writeYAML(w io.Writer, margin string, v any) error {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return err
	}
	for line := range bytes.Lines(b.Bytes()) {
		if _, err := io.WriteString(w, margin+string(line)); err != nil {
			return err
		}
	}
	return nil
}
