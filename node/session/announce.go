package session

import (
	"cmp"
	"strings"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Announce implements Announcer.
func (c *Controller) Announce(v Visit) { c.Tell(v.event()) }

// event tells of the visit. What a routing point sent the call to in vain is said
// as the extension "tried".
func (v *Visit) event() *tlibpb.Event {
	e := &tlibpb.Event{Message: v.Message, ThisDn: string(v.RP), OtherDn: v.To}
	if v.Call != nil {
		e.ConnId, e.Ani, e.Dnis = string(v.Call.ID), v.Call.ANI, v.Call.DNIS
		e.ThisDnRole = tlibpb.DNRole_DN_ROLE_DESTINATION
		e.UserData, e.CallType = v.Call.UserData, tlibpb.CallType(v.Call.Type)
		e.OtherDn = cmp.Or(v.To, v.Call.ANI)
	}
	if len(v.Tried) > 0 {
		e.Extensions = map[string]string{"tried": joined(v.Tried)}
	}
	return e
}

// joined is "1001,1002".
func joined(list []dn.Number) string {
	all := make([]string, len(list))
	for i, n := range list {
		all[i] = string(n)
	}
	return strings.Join(all, ",")
}
