package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Plan compares what a cluster has with what a document wants.
type Plan struct {
	options *configpb.Options
	// level is the cluster's feature level; 0: all of this program's may be used.
	level  uint32
	groups map[string]*configpb.AgentGroup
	dns    map[string]*configpb.DN

	Mutations []*configpb.Mutation
	counts    [2]tally
	// named: the document has options.
	named, optionsChanged bool
	// pruned are the objects that are deleted.
	pruned []string
}

// NewPlan is the plan for a cluster of which nothing is known yet.
func NewPlan() *Plan {
	return &Plan{options: &configpb.Options{}, groups: map[string]*configpb.AgentGroup{}, dns: map[string]*configpb.DN{}}
}

// tally counts one sort of objects.
type tally struct{ created, changed, unchanged, deleted int }

const (
	tallyGroups = iota
	tallyDNs
)

// Know learns a part of what the cluster has.
func (p *Plan) Know(part *configpb.ExportResponse) error {
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

// Compare plans the mutations that make the cluster what doc says.
func (p *Plan) Compare(doc *Document) error {
	if err := p.compareOptions(doc.Options); err != nil {
		return err
	}
	for _, g := range doc.Groups {
		wanted, err := g.config()
		if err != nil {
			return err
		}
		p.putGroup(wanted)
	}
	for _, n := range doc.DNs {
		if err := p.compareDN(n); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) compareOptions(o *optionsDoc) error {
	if o == nil {
		return nil
	}
	p.named = true
	if o.Realm != nil && *o.Realm != p.options.Realm {
		return fmt.Errorf("options.realm: the file has %[2]s, but this cluster's is %[1]s and can't change, because every stored ha1 depends on it", p.options.Realm, *o.Realm)
	}
	changed := proto.CloneOf(p.options)
	changed.Revision = 0
	if err := o.merge(changed); err != nil {
		return err
	}
	has, wants := p.options.WithDefaults(), changed.WithDefaults()
	has.Revision = 0
	if p.optionsChanged = !proto.Equal(has, wants); p.optionsChanged {
		p.Mutations = append(p.Mutations, &configpb.Mutation{
			Op: &configpb.Mutation_PutOptions{PutOptions: changed}, Mask: configpb.Changed(p.options, changed),
		})
	}
	return nil
}

func (p *Plan) putGroup(g *configpb.AgentGroup) {
	old := p.groups[g.Name]
	p.groups[g.Name] = g
	if p.count(tallyGroups, old == nil, sameGroup(old, g)) {
		p.Mutations = append(p.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: g}})
	}
}

func sameGroup(old, g *configpb.AgentGroup) bool {
	if old == nil {
		return false
	}
	has := proto.CloneOf(old)
	has.Revision = 0
	return proto.Equal(has, g)
}

func (p *Plan) compareDN(n DN) error {
	d, keep, err := n.config(p.options.Realm)
	if err != nil {
		return err
	}
	if p.level == 1 && n.bothDigests() {
		d.Trunk.OutboundAuth.Sha256Ha1 = "" // which nodes of before don't know
	}
	p.putDN(d, keep)
	return nil
}

func (p *Plan) putDN(d *configpb.DN, keep bool) {
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
		p.Mutations = append(p.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}, KeepHa1: keep})
	}
}

// prune plans to delete the groups and DNs that the document does not have; a group
// that one of its DNs names stays.
func (p *Plan) prune(doc *Document) error {
	if len(doc.Groups)+len(doc.DNs) == 0 {
		return errors.New("--prune: the file has neither groups nor DNs: it would delete everything")
	}
	groups, dns := map[string]bool{}, map[string]bool{}
	for _, g := range doc.Groups {
		groups[g.Name] = true
	}
	for _, n := range doc.DNs {
		dns[n.DN] = true
		for _, g := range n.Groups {
			groups[g] = true
		}
		if n.RoutingPoint != nil {
			groups[n.RoutingPoint.DefaultGroup] = true
		}
	}
	for _, number := range slices.Sorted(maps.Keys(p.dns)) {
		if !dns[number] {
			p.delete(tallyDNs, "DN "+number, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.groups)) {
		if !groups[name] {
			p.delete(tallyGroups, "group "+name, &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: name}})
		}
	}
	return nil
}

func (p *Plan) delete(sort int, name string, m *configpb.Mutation) {
	p.counts[sort].deleted++
	p.pruned, p.Mutations = append(p.pruned, name), append(p.Mutations, m)
}

// count notes one object and tells whether it has to be written.
func (p *Plan) count(sort int, created, same bool) bool {
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
func (p *Plan) report(dryRun bool) string {
	if len(p.Mutations) == 0 {
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
			part := fmt.Sprintf("%s %d created, %d changed, %d unchanged", name, t.created, t.changed, t.unchanged)
			if t.deleted > 0 {
				part += fmt.Sprintf(", %d deleted", t.deleted)
			}
			parts = append(parts, part)
		}
	}
	done := strings.Join(parts, "; ")
	if dryRun {
		return "would be: " + done
	}
	return done
}

// OnlyNew leaves out DNs that exist, whatever they are now.
func (p *Plan) OnlyNew(dns []DN) []DN {
	var fresh []DN
	for _, n := range dns {
		if p.dns[n.DN] == nil {
			fresh = append(fresh, n)
		}
	}
	return fresh
}
