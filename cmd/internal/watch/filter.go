package watch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// filter is what the rows must have, all of it.
type filter []term

// term is a text that a field has, or that any has; or the contrary.
type term struct {
	field, text string
	not         bool
}

// group is the field of which no row tells: the node is asked who is in one.
const group = "group"

// fields are what a term can name.
var fields = map[string]func(*tcpb.DNEvent) string{
	"dn":     (*tcpb.DNEvent).GetDn,
	"state":  func(e *tcpb.DNEvent) string { return view.StateName(e.GetState()) },
	"owner":  (*tcpb.DNEvent).GetOwner,
	"site":   (*tcpb.DNEvent).GetSite,
	"reason": func(e *tcpb.DNEvent) string { return view.ReasonName(e.GetReason()) },
	"agent":  func(e *tcpb.DNEvent) string { return view.AgentCell(e.GetAgent()).Text },
	"use":    useText,
	"routable": func(e *tcpb.DNEvent) string {
		return console.YesNo(e.GetRoutable())
	},
	group: nil,
}

// fieldNames are in the order of the columns.
const fieldNames = "dn, state, owner, site, reason, agent, use, routable, group"

func useText(e *tcpb.DNEvent) string {
	var all []string
	for _, x := range []struct {
		is   bool
		text string
	}{{e.GetBusy(), "busy"}, {e.GetReserved(), "reserved"}, {e.GetDoNotDisturb(), "dnd"}, {e.GetCoolDown() != nil, "cool-down"}, {!e.GetBusy() && e.GetUses() != nil, "call"}} {
		if x.is {
			all = append(all, x.text)
		}
	}
	return strings.Join(all, " ")
}

// readFilter reads words that all must hold: TEXT anywhere in a row, FIELD:TEXT, and
// either after a - for rows that don't have it. Case counts in names of groups only.
func readFilter(s string) (filter, error) {
	var f filter
	for _, word := range strings.Fields(s) {
		var t term
		word, t.not = strings.CutPrefix(word, "-")
		field, text, named := strings.Cut(word, ":")
		field = strings.ToLower(field)
		if t.text = strings.ToLower(word); named {
			t.field, t.text = field, strings.ToLower(text)
			if field == group {
				t.text = text
			}
			if _, known := fields[field]; !known {
				return nil, fmt.Errorf("no field %.20q: %s", field, fieldNames)
			}
		}
		if t.text != "" {
			f = append(f, t)
		}
	}
	return f, nil
}

// groups are those that the filter names.
func (f filter) groups() (all []string) {
	for _, t := range f {
		if t.field == group {
			all = append(all, t.text)
		}
	}
	return all
}

// passes tells whether a row has all of it; members are the DNs of the groups that are
// named, as far as they are known.
func (f filter) passes(e *tcpb.DNEvent, members map[string]map[string]bool) bool {
	return !slices.ContainsFunc(f, func(t term) bool { return t.has(e, members) == t.not })
}

func (t term) has(e *tcpb.DNEvent, members map[string]map[string]bool) bool {
	if t.field == group {
		return members[t.text][e.GetDn()]
	}
	if read := fields[t.field]; read != nil {
		return strings.Contains(strings.ToLower(read(e)), t.text)
	}
	for _, read := range fields {
		if read != nil && strings.Contains(strings.ToLower(read(e)), t.text) {
			return true
		}
	}
	return false
}
