package session

import (
	"strings"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Announce implements Announcer. What a routing point sent the call to in vain
// is said as the extension "tried".
func (c *Controller) Announce(v Visit) {
	e := &tlibpb.Event{Message: v.Message, ThisDn: string(v.RP), OtherDn: v.To}
	if v.Call != nil {
		e.ConnId, e.Ani, e.Dnis = string(v.Call.ID), v.Call.ANI, v.Call.DNIS
		e.ThisDnRole = tlibpb.DNRole_DN_ROLE_DESTINATION
		e.UserData, e.CallType = v.Call.UserData, tlibpb.CallType(v.Call.Type)
		if e.OtherDn == "" {
			e.OtherDn = v.Call.ANI
		}
	}
	if len(v.Tried) > 0 {
		tried := make([]string, len(v.Tried))
		for i, n := range v.Tried {
			tried[i] = string(n)
		}
		e.Extensions = map[string]string{"tried": strings.Join(tried, ",")}
	}
	c.Tell(e)
}
