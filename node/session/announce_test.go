package session

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestEvents_AtARoutingPoint: of a call that two DNs don't take and a third one does.
func TestEvents_AtARoutingPoint(t *testing.T) {
	l := newLobby(t)
	l.table.Register("1003", dn.Registered)
	w := l.connect(DefaultPort, nil)
	w.ask(registerAddress("9001", shared))
	w.heard()
	l.arrives("+1")
	const node = " owner=n1 site=dc1"
	const call = " conn_id=+ other_dn=+1 this_dn_role=DN_ROLE_DESTINATION ani=+1 dnis=9001 call_type=CALL_TYPE_INBOUND this_queue=9001"
	event := func(m, ref, more string) string {
		return m + " " + ref + "this_dn=9001 time=now" + node + " call_seq=+" + call + more
	}
	for _, tried := range []string{"", " tried=[2001] tries=[{dn=2001}]", " tried=[2001 2002] tries=[{dn=2001} {dn=2002}]"} {
		if tried == "" { // it enters once
			w.tells(event("EVENT_QUEUED", "", tried), event("EVENT_ROUTE_REQUEST", "", tried))
		} else {
			w.tells(event("EVENT_ROUTE_REQUEST", "", tried))
		}
		if tried == " tried=[2001 2002] tries=[{dn=2001} {dn=2002}]" {
			break
		}
		to := map[string]string{"": "2001", " tried=[2001] tries=[{dn=2001}]": "2002"}[tried]
		w.routes(l.waits("+1", true), to)
		w.wait("the refusal", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ERROR })
		l.waits("+1", true)
		w.mu.Lock()
		w.events = slices.DeleteFunc(w.events, func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ERROR })
		w.mu.Unlock()
	}
	again := l.connect(DefaultPort, nil)
	again.heard()
	again.post(registerAddress("9001", watched))
	row := func(m string) string {
		return m + " this_dn=9001 time=now snapshot=true" + node + call + " tried=[2001 2002] tries=[{dn=2001} {dn=2002}]"
	}
	again.wait("the rows", func(e *tlibpb.Event) bool { return whole(e) == row("EVENT_ROUTE_REQUEST") })
	again.wait("the first row", func(e *tlibpb.Event) bool { return whole(e) == row("EVENT_QUEUED") })
	again.heard()
	w.routes(l.waits("+1", true), "1003")
	const to = " third_party_dn=1003"
	w.tells(event("EVENT_ROUTE_USED", "reference_id=+ ", to), event("EVENT_DIVERTED", "", to))
	again.tells(event("EVENT_ROUTE_USED", "", to), event("EVENT_DIVERTED", "", to))
}
