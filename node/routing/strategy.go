package routing

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
)

// longestIdle picks one of a group's DNs, but none to skip, which is asked of those only
// that a call can be sent to; false when there is none. media are those that the agent's
// should fit, 0 for any. Those of the own site come first.
func (r *Engine) longestIdle(group string, media dn.Media, skip func(dn.Number) bool) (dn.Number, bool) {
	view := r.view()
	site := view.Node(string(r.table.Self())).GetSite()
	st, found := r.table.LongestIdle(group, dn.Choice{
		Media: media,
		Here:  func(n dn.Node) bool { return view.Node(string(n)).GetSite() == site },
		Ready: view.Group(group).GetLoginRequired(),
		May: func(st *dn.Status) bool {
			config := view.DN(string(st.Number))
			if k := config.GetKind(); k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN {
				return false
			}
			return agent.Unavailable(st, config, view) == nil && !skip(st.Number)
		},
	})
	return st.Number, found
}
