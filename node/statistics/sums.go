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
		s.agents[k] = a
	}
	if a[c.state] += by; *a == [States]int{} {
		delete(s.agents, k)
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
	all := map[key]*Row{}
	at := func(k key) *Row {
		r := all[k]
		if r == nil {
			r = &Row{Group: k.group, Site: k.site}
			all[k] = r
		}
		return r
	}
	for k, a := range s.agents {
		if wanted(k.group) {
			r := at(k)
			r.Agents, r.Reasons = *a, bounded(s.reasons[k])
		}
	}
	for _, w := range s.waits {
		if wanted("") {
			at(key{"", w.Site}).waits(w.Since)
		}
		if w.Group != "" && wanted(w.Group) {
			at(key{w.Group, w.Site}).waits(w.Since)
		}
	}
	out := make([]Row, 0, len(all))
	for _, r := range all {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Site, b.Site)) })
	return out
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
