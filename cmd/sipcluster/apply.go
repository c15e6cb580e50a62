package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// What a node takes as one write, all or nothing.
const (
	applyOnce      = 500
	applyOnceBytes = 500_000
)

func (c *cli) applyCommand() *cobra.Command {
	var file string
	var dryRun bool
	cmd := c.client(&cobra.Command{
		Use: "apply -f FILE.yaml", Short: "Make the configuration what a YAML file says; needs a quorum", Args: cobra.NoArgs,
		Long: `Make options, groups and DNs what the file says, and leave alone what it does not
name. Applying a file twice changes nothing the second time. The format is that
of export; a sip DN may have "password: P" in place of ha1. Up to 500 changes
are written all or nothing; more are checked as a whole first.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("-f FILE.yaml is missing (- for stdin)")
			}
			in, closeFile, err := c.open(file)
			if err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			defer closeFile()
			if err := c.apply(cmd.Context(), in, dryRun); err != nil {
				return fmt.Errorf("apply %s: %w", file, err)
			}
			return nil
		},
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` to apply, - for stdin")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would change")
	return cmd
}

func (c *cli) apply(ctx context.Context, in io.Reader, dryRun bool) error {
	doc, err := readDocument(in, maxDocument)
	if err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.close()
	p := newPlan()
	if err := cl.export(ctx, &configpb.ExportRequest{Linearizable: true, Secrets: true}, p.know); err != nil {
		return err
	}
	if err := p.compare(doc); err != nil {
		return err
	}
	if !dryRun {
		if err := c.write(ctx, cl, p.mutations); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(c.out, p.report(dryRun))
	return err
}

// write writes few mutations all or nothing, many as an import.
func (c *cli) write(ctx context.Context, cl *client, mutations []*configpb.Mutation) error {
	if len(mutations) == 0 {
		return nil
	}
	once := &configpb.WriteRequest{Mutations: mutations}
	if len(mutations) <= applyOnce && proto.Size(once) <= applyOnceBytes {
		return cl.write(ctx, mutations...)
	}
	chunks := slices.Collect(slices.Chunk(mutations, importChunk))
	_, err := c.upload(ctx, cl, func() ([]*configpb.Mutation, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		next := chunks[0]
		chunks = chunks[1:]
		return next, nil
	})
	return err
}

// plan compares what a cluster has with what a document wants.
type plan struct {
	options *configpb.Options
	groups  map[string]*configpb.AgentGroup
	dns     map[string]*configpb.DN

	mutations []*configpb.Mutation
	counts    [2]tally
	// named: the document has options.
	named, optionsChanged bool
}

func newPlan() *plan {
	return &plan{options: &configpb.Options{}, groups: map[string]*configpb.AgentGroup{}, dns: map[string]*configpb.DN{}}
}

// tally counts one sort of objects.
type tally struct{ created, changed, unchanged int }

const (
	tallyGroups = iota
	tallyDNs
)

func (p *plan) know(part *configpb.ExportResponse) error {
	if part.Options != nil {
		p.options = part.Options
	}
	for _, g := range part.Groups {
		p.groups[g.Name] = g
	}
	for _, d := range part.Dns {
		p.dns[d.Number] = d
	}
	return nil
}

func (p *plan) compare(doc *document) error {
	if err := p.compareOptions(doc.Options); err != nil {
		return err
	}
	for _, g := range doc.Groups {
		p.putGroup(&configpb.AgentGroup{Name: g.Name, LoginRequired: g.LoginRequired})
	}
	for _, n := range doc.DNs {
		if err := p.compareDN(n); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) compareOptions(o *optionsDoc) error {
	if o == nil {
		return nil
	}
	p.named = true
	if o.Realm != nil && *o.Realm != p.options.Realm {
		return fmt.Errorf("options.realm: the file has %[2]s, but this cluster's is %[1]s and can't change, because every stored ha1 depends on it", p.options.Realm, *o.Realm)
	}
	changed := proto.CloneOf(p.options)
	changed.Revision = 0
	o.merge(changed)
	has, wants := p.options.WithDefaults(), changed.WithDefaults()
	has.Revision = 0
	if p.optionsChanged = !proto.Equal(has, wants); p.optionsChanged {
		p.mutations = append(p.mutations, &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: changed}})
	}
	return nil
}

func (p *plan) putGroup(g *configpb.AgentGroup) {
	old := p.groups[g.Name]
	p.groups[g.Name] = g
	if p.count(tallyGroups, old == nil, old != nil && old.LoginRequired == g.LoginRequired) {
		p.mutations = append(p.mutations, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: g}})
	}
}

func (p *plan) compareDN(n dnDoc) error {
	d, keep, err := n.config(p.options.Realm)
	if err != nil {
		return err
	}
	old := p.dns[d.Number]
	for _, g := range d.Groups {
		if p.groups[g] == nil {
			p.putGroup(&configpb.AgentGroup{Name: g})
		}
	}
	if keep && old.GetKind() == d.Kind {
		d.Algorithm = old.Algorithm
	}
	if p.count(tallyDNs, old == nil, sameDN(old, d, keep)) {
		p.mutations = append(p.mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}, KeepHa1: keep})
	}
	return nil
}

// sameDN tells whether storing d would change nothing.
func sameDN(old, d *configpb.DN, keep bool) bool {
	if old == nil {
		return false
	}
	a, b := proto.CloneOf(old), proto.CloneOf(d)
	for _, n := range []*configpb.DN{a, b} {
		n.Revision = 0
		if n.Kind == configpb.DNKind_DN_KIND_SIP && n.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED {
			n.Algorithm = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5
		}
		if keep {
			n.Ha1 = ""
		}
	}
	return proto.Equal(a, b)
}

// count notes one object and tells whether it has to be written.
func (p *plan) count(sort int, created, same bool) bool {
	switch t := &p.counts[sort]; {
	case created:
		t.created++
	case same:
		t.unchanged++
		return false
	default:
		t.changed++
	}
	return true
}

// report says what was done, or would be.
func (p *plan) report(dryRun bool) string {
	if len(p.mutations) == 0 {
		return "unchanged"
	}
	var parts []string
	if p.named {
		word := "unchanged"
		if p.optionsChanged {
			word = "changed"
		}
		parts = append(parts, "options "+word)
	}
	for i, name := range []string{"groups", "DNs"} {
		if t := p.counts[i]; t != (tally{}) {
			parts = append(parts, fmt.Sprintf("%s %d created, %d changed, %d unchanged", name, t.created, t.changed, t.unchanged))
		}
	}
	done := strings.Join(parts, "; ")
	if dryRun {
		return "would be: " + done
	}
	return done
}
