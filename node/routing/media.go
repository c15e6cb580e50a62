package routing

import (
	"fmt"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// media are those that the agent's should fit: what the caller offers, where the routing
// point asks for that; 0 for any.
func (j *journey) media() dn.Media {
	if j.rp == "" || !j.r.view().DN(string(j.rp)).GetRoutingPoint().GetPreferSameMedia() {
		return 0
	}
	return j.in.Origin().Media
}

// explain has the call's next events, and what is said of the try, tell why the media of a
// call were refused.
func (j *journey) explain(n dn.Number, out *invite.Outcome) {
	why := ""
	if !out.Answered && (out.Code == 488 || out.Code == 606) {
		st, _ := j.r.table.Get(n)
		why = unfit(j.in.Origin().Media, st.Media)
	}
	if why == j.why {
		return
	}
	j.why = why
	j.r.calls.Explain(j.id, why)
}

// unfit says why a phone refused what the caller offers.
func unfit(caller, phone dn.Media) string {
	if caller.Fits(phone) == dn.Apart {
		return fmt.Sprintf("no common media: the caller offers %s, the phone speaks %s", caller, phone)
	}
	return "no common media: the phone takes none of what the caller offers"
}
