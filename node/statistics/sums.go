package statistics

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Row is what is said of a group at a site.
type Row struct {
	// Group is "" for all DNs of agents, each once.
	Group string
	// Site of the nodes that have the DNs in service, and of those that have the calls; ""
	// for DNs that are out of service.
	Site string
	// Agents in each State, and those NotReady by their reason.
	Agents  [States]int
	Reasons map[string]int
	// Waiting calls, and since when the oldest of them does, ns since the epoch; 0 for none.
	Waiting int
	Oldest  int64
}

// Waiting is a call that waits at a routing point.
type Waiting struct {
	call.Queue
	ID   call.ID
	Node dn.Node
	// Site of the Node.
	Site      string
	ANI, DNIS string
}

// maxReasons of a Row are told apart; the others are one, "other".
const maxReasons = 32

type key struct{ group, site string }

// sums are the counts of all groups. Guarded by Fold.mu.
type sums struct {
	shares  map[dn.Number]share
	classes interned[class]
	// groups of a DN, joined by a line feed, which no name has.
	groups interned[string]
	agents map[key]*[States]int
	// order is that of the keys of agents; nil when there are others than before.
	order []key
	// reasons of those NotReady.
	reasons map[key]map[string]int
	waits   map[call.ID]Waiting
	// version counts changes, and changed is that of each group's last one.
	version uint64
	changed map[string]uint64
}

// share is what a DN has added: numbers of sums.classes and sums.groups.
type share struct{ class, groups uint32 }

func newSums() sums {
	return sums{shares: map[dn.Number]share{}, agents: map[key]*[States]int{}, reasons: map[key]map[string]int{}, waits: map[call.ID]Waiting{}, changed: map[string]uint64{}}
}

// put makes a DN's share that of the class in its groups.
func (s *sums) put(n dn.Number, c class, groups []string) {
	joined := strings.Join(groups, "\n")
	old, had := s.shares[n]
	if had && s.classes.values[old.class] == c && s.groups.values[old.groups] == joined {
		return
	}
	is := share{s.classes.hold(c), s.groups.hold(joined)}
	if had {
		s.take(old)
	}
	s.shares[n] = is
	s.add(is, 1)
}

// drop takes out what a DN has added.
func (s *sums) drop(n dn.Number) {
	if old, had := s.shares[n]; had {
		s.take(old)
		delete(s.shares, n)
	}
}

func (s *sums) take(x share) {
	s.add(x, -1)
	s.classes.release(x.class)
	s.groups.release(x.groups)
}

func (s *sums) add(x share, by int) {
	c := s.classes.values[x.class]
	s.addTo("", c, by)
	for g := range strings.SplitSeq(s.groups.values[x.groups], "\n") {
		if g != "" {
			s.addTo(g, c, by)
		}
	}
}

func (s *sums) addTo(group string, c class, by int) {
	k := key{group, c.site}
	a := s.agents[k]
	if a == nil {
		a = &[States]int{}
		s.agents[k], s.order = a, nil
	}
	if a[c.state] += by; *a == [States]int{} {
		delete(s.agents, k)
		s.order = nil
	}
	if c.state == NotReady {
		r := s.reasons[k]
		if r == nil {
			r = map[string]int{}
			s.reasons[k] = r
		}
		if r[c.reason] += by; r[c.reason] == 0 {
			delete(r, c.reason)
		}
		if len(r) == 0 {
			delete(s.reasons, k)
		}
	}
	s.touch(group)
}

func (s *sums) touch(group string) {
	s.version++
	s.changed[group] = s.version
}

// wait takes in where a call waits; nil: it does not.
func (s *sums) wait(id call.ID, is *Waiting) {
	was, had := s.waits[id]
	if had && is != nil && was == *is {
		return
	}
	if had {
		delete(s.waits, id)
		s.touch(was.Group)
	}
	if is != nil {
		s.waits[id] = *is
		s.touch(is.Group)
	}
	if had || is != nil {
		s.touch("")
	}
}

// rows are those of the groups that wanted says, ordered by group and site.
func (s *sums) rows(wanted func(group string) bool) []Row {
	waits := map[key]Row{}
	for _, w := range s.waits {
		for _, g := range []string{"", w.Group}[:min(2, 1+len(w.Group))] { // group "" has each once
			k := key{g, w.Site}
			r := waits[k]
			r.waits(w.Since)
			waits[k] = r
		}
	}
	keys := s.ordered()
	for k := range waits {
		if s.agents[k] == nil {
			keys = append(slices.Clip(keys), k)
		}
	}
	if len(keys) > len(s.order) {
		slices.SortFunc(keys, key.compare)
	}
	out := make([]Row, 0, len(keys))
	for _, k := range keys {
		if !wanted(k.group) {
			continue
		}
		r := waits[k]
		if r.Group, r.Site = k.group, k.site; s.agents[k] != nil {
			r.Agents, r.Reasons = *s.agents[k], bounded(s.reasons[k])
		}
		out = append(out, r)
	}
	return out
}

// ordered are the keys of agents. Nobody changes them in place.
func (s *sums) ordered() []key {
	if s.order == nil {
		s.order = slices.SortedFunc(maps.Keys(s.agents), key.compare)
	}
	return s.order
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.group, o.group), cmp.Compare(k.site, o.site))
}

func (r *Row) waits(since int64) {
	if r.Waiting++; r.Oldest == 0 || since < r.Oldest {
		r.Oldest = since
	}
}

// bounded is a copy of the reasons in which the rarest ones are one.
func bounded(of map[string]int) map[string]int {
	out := maps.Clone(of)
	if len(out) <= maxReasons {
		return out
	}
	names := slices.SortedFunc(maps.Keys(out), func(a, b string) int { return cmp.Or(cmp.Compare(out[b], out[a]), cmp.Compare(a, b)) })
	for _, name := range names[maxReasons-1:] {
		n := out[name]
		delete(out, name)
		out["other"] += n
	}
	return out
}
