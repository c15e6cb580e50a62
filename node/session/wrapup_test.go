package session

import (
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// An agent at another node talks in calls of that node: before each of them is told to be
// released he is told to be not ready, although his owner has not said so yet, and once
// only when it does.
func TestWrapUp_IsToldBeforeTheRelease(t *testing.T) {
	o := newOffice(t)
	o.wraps = time.Minute
	o.write(sipDN("1001"))
	peer := o.elsewhere()
	ready := dn.Record{Number: "1001", ClaimTime: 10, State: dn.InSrv, Reason: dn.Registered, Since: 1, Agent: &dn.Agent{ID: "7", State: dn.Ready, Since: 1}}
	o.says(ready)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_AGENT, tlibpb.EventKind_EVENT_KIND_CALL}}}))
	for i := range 20 {
		w.heard()
		ready.Seq += 2
		o.says(ready)
		if i > 0 {
			w.wait("EventAgentReady", func(e *tlibpb.Event) bool { return e.GetAgentReady() != nil })
		}
		id := begin(t, peer.Table, "1001")
		peer.Established(id, "1001")
		peer.End(id, 0, false)
		peer.says()
		w.wait("EventReleased", func(e *tlibpb.Event) bool { return e.GetReleased() != nil && e.GetThisDn() == "1001" })
		var told []string
		for _, e := range w.seen() {
			switch {
			case e.GetAgentNotReady() != nil:
				if until := e.GetAgentNotReady().GetUntil(); e.GetAgentNotReady().GetCause() != tlibpb.AgentCause_AGENT_CAUSE_WRAP_UP || until == nil {
					t.Errorf("not ready: %v", e)
				}
				told = append(told, "not ready")
			case e.GetReleased() != nil && e.GetThisDn() == "1001":
				told = append(told, "released")
			}
		}
		if !slices.Equal(told, []string{"not ready", "released"}) {
			t.Fatalf("call %d: told %q", i, told)
		}
	}
}
