package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// objects compares the configuration at the end object by object: with what
// was written before the run, and of nodes with one another.
type objects struct {
	*model
	// changing are the keys that clients wrote during the run.
	changing map[string]bool
}

// objectsSurvive is the part of S9 that is about objects of every kind.
func objectsSurvive(m *model) ([]Finding, int) {
	o := objects{m, map[string]bool{}}
	for i := range m.h.Ops {
		if k := m.h.Ops[i].Kind; k == history.Write || k == history.Swap || k == history.Add {
			o.changing["dn/"+m.h.Ops[i].Key] = true
		}
	}
	var out []Finding
	looked := 0
	first := o.begin()
	for _, d := range m.finals() {
		if first != nil {
			looked += len(first.Objects)
			out = append(out, o.roster(first, d)...)
			out = append(out, o.compare(first, d, "%s was configured before the run and is not the same at %s in the end: %s")...)
		}
	}
	return out, looked
}

// begin is what was there before the run; nil when nobody looked.
func (o *objects) begin() *history.Dump {
	for i := range o.h.Dumps {
		if d := &o.h.Dumps[i]; !d.Final && d.Error == "" && len(d.Objects) > 0 {
			return d
		}
	}
	return nil
}

// compare finds the objects of a, but the roster, that are missing or different in b.
func (o *objects) compare(a, b *history.Dump, text string) []Finding {
	there := map[string]string{}
	for _, e := range b.Objects {
		there[e.Key] = e.Value
	}
	var out []Finding
	for _, e := range a.Objects {
		value, found := there[e.Key]
		if o.changing[e.Key] || strings.HasPrefix(e.Key, "node/") || found && value == e.Value {
			continue
		}
		what := "it is missing"
		if found {
			what = "it differs"
		}
		out = append(out, Finding{
			Text: fmt.Sprintf(text, e.Key, b.Node, what), Nodes: []string{b.Node}, Keys: []string{e.Key}, Events: []Event{dumpEvent(a), dumpEvent(b)},
		})
	}
	return out
}

// roster: who the nodes are is not what a restore restores.
func (o *objects) roster(first, d *history.Dump) []Finding {
	changed := slices.ContainsFunc(o.h.Ops, func(op history.Op) bool { return op.Kind == history.Roster || op.Kind == history.Recover })
	if changed || len(o.restores) == 0 || slices.Equal(nodesOf(first), nodesOf(d)) {
		return nil
	}
	return []Finding{{
		Text: fmt.Sprintf("the nodes that %s has at the end are not those from before the restores", d.Node), Nodes: []string{d.Node},
		Events: []Event{dumpEvent(first), dumpEvent(d)},
	}}
}

func nodesOf(d *history.Dump) (out []history.Entry) {
	for _, e := range d.Objects {
		if strings.HasPrefix(e.Key, "node/") {
			out = append(out, e)
		}
	}
	return out
}
