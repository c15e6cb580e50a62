package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

const (
	ringing     = tlibpb.Message_MESSAGE_EVENT_RINGING
	established = tlibpb.Message_MESSAGE_EVENT_ESTABLISHED
	released    = tlibpb.Message_MESSAGE_EVENT_RELEASED
	abandoned   = tlibpb.Message_MESSAGE_EVENT_ABANDONED
)

// party is an event of a DN's call, which is 8 s old.
func party(m tlibpb.Message, dn, conn, with string) *tlibpb.Event {
	e := tlibtest.Call(m, dn, &tlibpb.Call{ConnId: conn, OtherDn: with})
	if r := e.GetReleased(); r != nil {
		r.End = &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_HANGUP}
	}
	e.Owner, e.Site, e.Time, e.CallSeq = "sip1", "dc1", timestamppb.New(clienttest.Noon.Add(-8*time.Second)), 7
	return e
}

func rowOf(e *tlibpb.Event) *tlibpb.Event {
	e.Snapshot, e.CallSeq = true, 0
	return e
}

// news are what the events bring, in short.
func news(p *parties, events ...*tlibpb.Event) (out []string) {
	for _, e := range events {
		for _, n := range p.take(e) {
			out = append(out, fmt.Sprintf("%s %s %s%s", callStates[n.GetMessage()], n.GetThisDn(), n.GetCall().GetConnId(), map[bool]string{true: "missed"}[n.GetReleased() != nil && n.GetEnd() == nil]))
		}
	}
	return out
}

func wants(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParties_FollowWhoIsInACall(t *testing.T) {
	p := newParties()
	wants(t, news(p, party(ringing, "1002", "a", "1001"), party(established, "1002", "a", "1001"), party(established, "1001", "a", "1002"), party(ringing, "1001", "b", "+49")),
		"ringing 1002 a", "established 1002 a", "established 1001 a", "ringing 1001 b")
	if e, others := best(p.up["1001"]); e.GetCall().GetConnId() != "a" || others != 1 || len(p.calls) != 2 {
		t.Errorf("%v and %d others, %d calls", e, others, len(p.calls))
	}
	wants(t, news(p, party(abandoned, "1001", "b", "+49"), party(released, "1001", "a", "1002"), party(released, "1002", "a", "1001"), party(released, "1002", "a", "1001")),
		"abandoned 1001 b", "released 1001 a", "released 1002 a", "released 1002 a")
	if len(p.up)+len(p.dials)+len(p.calls)+len(p.rows) != 0 {
		t.Errorf("left: %+v", p)
	}
}

func TestParties_ASnapshotEndsWhatItDoesNotHave(t *testing.T) {
	p := newParties()
	news(p, party(ringing, "1002", "a", "1001"), party(established, "1003", "b", "+49"))
	wants(t, news(p, rowOf(party(ringing, "1002", "a", "1001")), rowOf(party(established, "1004", "c", "+1")), &tlibpb.Event{Time: clienttest.Since, Body: &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{}}}),
		"established 1004 c", "released 1003 bmissed")
	wants(t, news(p, &tlibpb.Event{Body: &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{Resumed: true}}}))
	if len(p.up) != 2 || len(p.calls) != 2 {
		t.Errorf("left: %+v", p)
	}
	wants(t, news(p, rowOf(party(established, "1004", "c", "+1")), &tlibpb.Event{Time: clienttest.Since, Body: &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{}}}), "released 1002 amissed")
	if len(p.up) != 1 || len(p.rows) != 0 {
		t.Errorf("left after another one: %+v", p)
	}
}

// Who calls is told of when somebody has answered; until then the board shows
// whom it dials.
func TestParties_WhoCallsDials(t *testing.T) {
	b := newRows(&tcpb.WatchRequest{})
	shows := func(want string) {
		t.Helper()
		cells := b.calls.cells(clienttest.Noon, "1001")
		clienttest.Same(t, cells[0].Text+" "+cells[1].Text+" "+cells[2].Text, want)
	}
	call := func(m tlibpb.Message, dn, with string) {
		e := party(m, dn, "a", with)
		e.GetCall().CallType = tlibpb.CallType_CALL_TYPE_INTERNAL
		_ = b.call(e)
	}
	shows("- - -")
	call(ringing, "1002", "1001")
	shows("dialing 1002 8s")
	call(released, "1002", "1001")
	shows("- - -")
	call(ringing, "1003", "1001")
	shows("dialing 1003 8s")
	call(established, "1003", "1001")
	shows("- - -")
	call(established, "1001", "1003")
	shows("established 1003 8s")
	call(released, "1001", "1003")
	call(released, "1003", "1001")
	shows("- - -")
	if len(b.calls.dials)+len(b.calls.up)+len(b.calls.calls) != 0 {
		t.Errorf("left: %+v", b.calls)
	}
}

func TestScreen_ShowsCalls(t *testing.T) {
	s, _ := on(t, &tcpb.WatchRequest{}, 150, 8)
	for _, e := range []*tlibpb.Event{
		party(ringing, "1001", "a", "1003"), party(established, "1003", "b", "+49301234567890123456789"), party(ringing, "1003", "c", "+1"), party(established, "trunk", "b", "1003"),
	} {
		if err := s.rows.call(e); err != nil {
			t.Fatal(err)
		}
	}
	clienttest.Same(t, strings.Join(strings.Split(s.text(), "\n")[:7], "\n"), `seen from sip1   DNs 3   in service 2   agents ready 1   routable 2   calls 3
nodes

  DN    STATE    FOR    OWNER  SITE  REASON      AGENT                    FOR  USE  ROUTABLE  CALL         WITH                     FOR
> 1001  ● InSrv  3m12s  sip1   dc1   registered  7001 ready, auto-in      4s   -    yes       ringing      1003                     8s
  1002  ○ OOS    -      -      -     -           -                        -    -    no        -            -                        -
  1003  ● InSrv  3m12s  sip1   dc1   registered  7003 not-ready, auto-in  4s   -    yes       established  +493012345678901234… +1  8s`)
	s.colour = true
	if got := s.text(); !strings.Contains(got, "\x1b[33mringing\x1b[0m") || !strings.Contains(got, "\x1b[32mestablished\x1b[0m") {
		t.Errorf("%q", got)
	}
	version := s.rows.version
	_ = s.rows.call(rowOf(party(ringing, "1001", "a", "1003"))) // nothing new
	if s.rows.version != version {
		t.Error("drawn for nothing")
	}
}

func TestCallJSON_IsAContract(t *testing.T) {
	e := party(established, "1002", "00000000000000aa", "+4930")
	e.GetCall().ThisDnRole, e.GetCall().Ani, e.GetCall().Dnis = tlibpb.DNRole_DN_ROLE_DESTINATION, "+4930", "9000"
	clienttest.Same(t, clienttest.Line(t, newCallJSON(e)), `{"event":"EventEstablished","dn":"1002","call_state":"established","conn_id":"00000000000000aa","other_dn":"+4930","role":"destination","ani":"+4930","dnis":"9000",`+
		`"node":"sip1","site":"dc1","time":"2026-11-22T11:59:52Z","call_seq":7}`+"\n")
	e.Body = &tlibpb.Event_Released{Released: &tlibpb.EventReleased{Call: e.GetCall(), End: &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_NODE_LOST, SipStatus: 486}}}
	clienttest.Same(t, clienttest.Line(t, newCallJSON(rowOf(e))), `{"event":"EventReleased","dn":"1002","call_state":"released","conn_id":"00000000000000aa","other_dn":"+4930","role":"destination","ani":"+4930","dnis":"9000",`+
		`"node":"sip1","site":"dc1","time":"2026-11-22T11:59:52Z","call_seq":0,"cause":486,"reason":"node-lost","snapshot":true}`+"\n")
}

func TestEventLines_OfCalls(t *testing.T) {
	c, out := clienttest.Plain()
	l := newEventLines(c.Console, &tcpb.WatchRequest{Filter: &tcpb.Filter{Owner: "sip1"}})
	busy := party(released, "1001", "00000000000000aa", "1003")
	busy.GetReleased().End = &tlibpb.CallEnd{Reason: tlibpb.EndReason_END_REASON_REFUSED, SipStatus: 486}
	elsewhere := onBoard("1002", "7002", ready)
	elsewhere.Owner = "sip2"
	l.Started(&tcpb.WatchStarted{Node: "sip1"})
	for _, err := range []error{
		l.call(rowOf(party(ringing, "1001", "00000000000000aa", "1003"))), l.Event(onBoard("1001", "7001", ready)), l.Event(elsewhere), l.EndOfSnapshot(9),
		l.call(party(established, "1002", "00000000000000ab", "1003")), l.call(busy),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	clock := clienttest.Noon.Local().Format("15:04:05.000")
	clienttest.Same(t, strings.Join(strings.Split(out.String(), "\n")[3:], "\n"), `-             EventRinging          -        1001          -         -         -         -             with 1003, call 00000000000000aa at sip1
-- end of snapshot; changes follow --
`+clock+`  EventReleased         -        1001          -         -         -         486           with 1003, call 00000000000000aa at sip1
`)
}
