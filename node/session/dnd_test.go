package session

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Do not disturb is answered, also again, and told to everybody who hears of agents.
func TestDND_IsAnsweredAndTold(t *testing.T) {
	o := newOffice(t)
	desk, stat := o.connect(TCport, nil), o.connect(TCport, nil)
	desk.ask(registerAddress("2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	stat.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT}}}))
	for _, body := range []*tlibpb.ClientMessage{
		{ReferenceId: 78, Body: &tlibpb.ClientMessage_SetDndOn{SetDndOn: &tlibpb.SetDNDOn{Dn: "2001"}}},
		{ReferenceId: 78, Body: &tlibpb.ClientMessage_SetDndOff{SetDndOff: &tlibpb.SetDNDOff{Dn: "2001"}}},
	} {
		if e := stat.ask(body); e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_NOT_REGISTERED {
			t.Errorf("who has not registered the DN is answered %v", e)
		}
	}
	told := map[uint64]bool{} // EventDNDOn, by place: what has come is looked at again and again
	for _, on := range []bool{true, true, false} {
		m := &tlibpb.ClientMessage{ReferenceId: 77, Body: &tlibpb.ClientMessage_SetDndOff{SetDndOff: &tlibpb.SetDNDOff{Dn: "2001"}}}
		if on {
			m.Body = &tlibpb.ClientMessage_SetDndOn{SetDndOn: &tlibpb.SetDNDOn{Dn: "2001"}}
		}
		desk.ask(m)
		o.await("the table says so", func() bool {
			s, _ := o.table.Get("2001")
			return s.DoNotDisturb == on && s.Routable(false) == !on && s.State == dn.InSrv
		})
		stat.wait("that it is told", func(e *tlibpb.Event) bool { // before the next: two of a DN may be told as one
			if e.GetThisDn() == "2001" && e.GetDndOn() != nil {
				told[e.GetSeq()] = true
			}
			return e.GetThisDn() == "2001" && (on && e.GetDndOn() != nil || !on && e.GetDndOff() != nil)
		})
	}
	if len(told) != 1 {
		t.Errorf("EventDNDOn was told %d times", len(told))
	}
}
