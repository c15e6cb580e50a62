package routing

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
)

// candidate is a DN that a call can be routed to now.
type candidate struct {
	n dn.Number
	// fit of its media and the caller's, where that counts.
	fit dn.Fit
	// here: at this node's site.
	here bool
	// level in the group.
	level uint32
	// calls that it has already, of several that it takes.
	calls int
	// idleSince is when the agent became free, ns since the epoch.
	idleSince int64
}

// better is the built-in strategy: agents whose media fit the caller's first, where the
// routing point says so, then those of the own site, then those of the highest
// level in the group, then who has the fewest calls, then who is idle for the longest time,
// then the smaller number.
func (c candidate) better(d candidate) bool {
	switch {
	case c.fit != d.fit:
		return c.fit > d.fit
	case c.here != d.here:
		return c.here
	case c.level != d.level:
		return c.level > d.level
	case c.calls != d.calls:
		return c.calls < d.calls
	case c.idleSince != d.idleSince:
		return c.idleSince < d.idleSince
	}
	return c.n < d.n
}

// longestIdle picks one of a group's DNs, but none to skip, which is asked of those only
// that a call can be routed to; false when there is none. media are those that the agent's
// should fit, 0 for any.
func (r *Engine) longestIdle(group string, media dn.Media, skip func(dn.Number) bool) (dn.Number, bool) {
	view := r.view()
	site := view.Node(string(r.table.Self())).GetSite()
	var best candidate
	found := false
	for config := range view.Members(group, "") {
		n := dn.Number(config.GetNumber())
		if k := config.GetKind(); k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN {
			continue
		}
		st, known := r.table.Get(n)
		if !known || agent.Unavailable(&st, config, view) != nil || skip(n) {
			continue
		}
		c := candidate{n: n, fit: media.Fits(st.Media), level: config.GetSkills()[group], calls: int(st.Taken), here: view.Node(string(st.Owner)).GetSite() == site, idleSince: max(st.Since, r.usage.of(n))}
		if st.Agent != nil {
			c.idleSince = max(c.idleSince, st.Agent.Since)
		}
		if !found || c.better(best) {
			best, found = c, true
		}
	}
	return best.n, found
}
