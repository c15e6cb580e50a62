package session

import (
	"cmp"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/routing"
)

// Announcer tells the sessions of this node's default port what happens at
// routing points.
type Announcer struct {
	Calls     *call.Table
	Addresses *Addresses
}

// Announce implements routing.Announcer.
func (a Announcer) Announce(v routing.Visit) { a.Tell(visitEvent(&v)) }

// Routers implements routing.Announcer.
func (a Announcer) Routers(rp dn.Number) bool { return a.Addresses.Routers(rp) }

// Tell tells the sessions of this node's default port what happens to one of
// this node's calls at a routing point, in order with what happens to it
// elsewhere. Those hear it that registered the event's DN or monitor calls. The
// event must not be changed any more. Tell waits for nobody: who lags too far
// behind begins anew with the calls that are up.
func (a Announcer) Tell(e *tlibpb.Event) { a.Calls.Tell(e, proto.Size(e)) }

// visitEvent tells of a visit. What a routing point sent the call to in vain is said
// as the extension "tried".
func visitEvent(v *routing.Visit) *tlibpb.Event {
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
