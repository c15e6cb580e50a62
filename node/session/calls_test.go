package session

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// elsewhere is the peer n2's table of calls, and what feeds n1's copy of it.
type elsewhere struct {
	*call.Table
	o      *office
	stream *call.Stream
	copy   *call.Copy
}

func (o *office) elsewhere() *elsewhere {
	o.t.Helper()
	e := &elsewhere{Table: call.New(call.Config{Self: "b", Incarnation: 1}), o: o}
	e.stream = e.Follow(feed.Position{})
	e.says()
	return e
}

// says has n1 hear all that n2 has to say.
func (e *elsewhere) says() {
	e.o.t.Helper()
	for e.copy == nil || e.stream.Seq() < e.stream.Head() {
		items, err := e.stream.Next(e.o.t.Context(), nil)
		if err != nil {
			e.o.t.Fatal(err)
		}
		for _, it := range items {
			switch it.Kind {
			case feed.Started:
				e.copy, err = e.o.traffic.Sync("b", 1, it.Resumed)
			case feed.EndOfSnapshot:
				err = e.copy.Synced(it.Seq)
			case feed.Change:
				ev := *it.Event
				_, err = e.copy.Apply([]*call.Event{&ev}, it.Seq)
			}
			if err != nil {
				e.o.t.Fatal(err)
			}
		}
	}
}

// begin makes a call by a trunk that rings at a DN.
func begin(t *testing.T, calls *call.Table, at dn.Number) call.ID {
	t.Helper()
	id, err := calls.Begin(call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4930", DNIS: "9000", UserData: map[string]string{"k": "v"}})
	if err != nil || !calls.Ringing(id, at, "") {
		t.Fatal("no call", err)
	}
	return id
}

func calls() *tlibpb.MonitorAll {
	return &tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_CALL}}}
}

func TestCalls_TheTCportHearsAllTheDefaultPortOnlyThisNodes(t *testing.T) {
	o := newOffice(t)
	peer := o.elsewhere()
	stat, router, desk := o.connect(TCport, nil), o.connect(DefaultPort, nil), o.connect(TCport, nil)
	stat.ask(monitorAll(calls()))
	router.ask(monitorAll(calls()))
	desk.ask(registerAddress("1001", watched))
	for _, w := range []*wire{stat, router, desk} {
		w.heard()
	}
	far := begin(t, peer.Table, "1001")
	peer.Established(far, "1001")
	peer.End(far, 0, false)
	peer.says()
	stat.hears("EVENT_RINGING 1001 +4930 n2 0", "EVENT_ESTABLISHED 1001 +4930 n2 0", "EVENT_ESTABLISHED trunk1 1001 n2 0",
		"EVENT_RELEASED trunk1 1001 n2 0", "EVENT_RELEASED 1001 +4930 n2 0")
	desk.hears("EVENT_RINGING 1001 +4930 n2 0", "EVENT_ESTABLISHED 1001 +4930 n2 0", "EVENT_RELEASED 1001 +4930 n2 0")
	near := begin(t, o.traffic, "2001")
	o.traffic.End(near, 487, true)
	router.hears("EVENT_RINGING 2001 +4930 n1 0", "EVENT_RELEASED trunk1 9000 n1 487", "EVENT_ABANDONED 2001 +4930 n1 487")
	desk.says("EVENT_SERVER_INFO", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
	stat.awaits("EVENT_ABANDONED 2001 +4930 n1 487")
}

func TestCalls_EventsBearTheTLibrarysAttributes(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(calls()))
	id := begin(t, o.traffic, "2001")
	var got *tlibpb.Event
	w.wait("EventRinging", func(e *tlibpb.Event) bool { got = e; return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RINGING })
	if got.GetTime() == nil || got.GetCallSeq() == 0 {
		t.Errorf("no time or no place: %v", got)
	}
	want := &tlibpb.Event{
		ThisDn: "2001", Time: got.GetTime(), Owner: "n1", Site: "dc1", CallSeq: got.GetCallSeq(),
		Body: &tlibpb.Event_Ringing{Ringing: &tlibpb.EventRinging{Call: &tlibpb.Call{
			ConnId: string(id), OtherDn: "+4930", ThisDnRole: tlibpb.DNRole_DN_ROLE_DESTINATION, Ani: "+4930", Dnis: "9000",
			UserData: map[string]string{"k": "v"}, CallType: tlibpb.CallType_CALL_TYPE_INBOUND, CallUuid: callUUID(id),
		}}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestCalls_ThatAreUpComeBeforeTheEndOfTheSnapshot(t *testing.T) {
	o := newOffice(t)
	peer := o.elsewhere()
	id := begin(t, peer.Table, "1001")
	peer.says()
	w := o.connect(TCport, nil)
	w.heard()
	w.ask(monitorAll(calls()))
	w.hears("EVENT_RINGING 1001 +4930 n2 0 row", "END_OF_SNAPSHOT")
	peer.Established(id, "1001")
	peer.says()
	w.awaits("EVENT_ESTABLISHED trunk1 1001 n2 0")
	w.ask(monitorAll(calls()))
	w.heard()
	o.traffic.Died("b")
	w.wait("the end", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RELEASED && e.GetThisDn() == "1001" && e.GetEnd().GetReason() == tlibpb.EndReason_END_REASON_NODE_LOST && e.GetEnd().GetSipStatus() == 0
	})
}

func TestCalls_FilterByGroupAndByNode(t *testing.T) {
	o := newOffice(t)
	peer := o.elsewhere()
	sales, n2, dns := o.connect(TCport, nil), o.connect(TCport, nil), o.connect(TCport, nil)
	sales.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Group: "sales", Kinds: calls().GetFilter().GetKinds()}}))
	n2.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Owner: "n2", Kinds: calls().GetFilter().GetKinds()}}))
	dns.ask(monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_DN}}}))
	for _, w := range []*wire{sales, n2, dns} {
		w.heard()
	}
	begin(t, o.traffic, "2001")
	begin(t, peer.Table, "2001")
	peer.says()
	begin(t, o.traffic, "2002")
	sales.hears("EVENT_RINGING 2002 +4930 n1 0")
	n2.hears("EVENT_RINGING 2001 +4930 n2 0")
	dns.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
	if got := dns.heard(); !slices.Equal(got, []string{"EVENT_SERVER_INFO"}) {
		t.Errorf("who monitors DNs heard %q", got)
	}
}

// place is where the client could resume.
func (w *wire) place() (seq, callSeq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq, w.callSeq
}

// awaitPlace waits until the client was told that it knows everything.
func (w *wire) awaitPlace() (seq, callSeq uint64) {
	w.o.t.Helper()
	w.o.await("the place", func() bool {
		seq, callSeq = w.place()
		return seq == w.o.table.Head() && callSeq == w.o.traffic.Head()
	})
	return seq, callSeq
}

func TestCalls_AreContinuedWhereTheClientWas(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(calls()))
	id := begin(t, o.traffic, "2001")
	w.awaits("EVENT_RINGING 2001 +4930 n1 0")
	seq, callSeq := w.awaitPlace()
	w.hangUp()
	o.traffic.Established(id, "2001")
	resume := calls()
	resume.ResumeCursor = cursor(max(seq, 1), callSeq)
	o.table.Register("1001", dn.Registered)
	again := o.connect(TCport, nil)
	again.heard()
	again.post(monitorAll(resume))
	again.hears("END_OF_SNAPSHOT resumed", "EVENT_ESTABLISHED 2001 +4930 n1 0", "EVENT_ESTABLISHED trunk1 2001 n1 0")
	for range 40 { // over the log's end
		o.traffic.End(begin(t, o.traffic, "2002"), 487, true)
	}
	late := o.connect(TCport, nil)
	late.heard()
	late.post(monitorAll(resume))
	late.wait("the snapshot", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT && !e.GetResumed()
	})
	if got := late.heard(); !slices.Contains(got, "EVENT_ESTABLISHED 2001 +4930 n1 0 row") || !slices.Contains(got, "EVENT_ESTABLISHED trunk1 2001 n1 0 row") {
		t.Errorf("heard %q", got)
	}
}

// One who resumes and knows no calls goes on with the DNs, and hears of calls
// from then on.
func TestCalls_WhoDoesNotKnowThemResumesWithoutThem(t *testing.T) {
	o := newOffice(t)
	begin(t, o.traffic, "2001")
	o.table.Register("1001", dn.Registered)
	w := o.connect(TCport, nil)
	w.heard()
	w.post(monitorAll(&tlibpb.MonitorAll{ResumeCursor: cursor(o.table.Head(), 0)}))
	w.hears("END_OF_SNAPSHOT resumed")
	begin(t, o.traffic, "2002")
	w.hears("EVENT_RINGING 2002 +4930 n1 0")
}

func TestCalls_ASessionThatIsResumedMissesNone(t *testing.T) {
	o := newOffice(t)
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", shared))
	seq, callSeq := w.awaitPlace()
	w.hangUp()
	patience.Receive(t, "the end of the session", w.ctx.Done())
	o.traffic.End(begin(t, o.traffic, "2001"), 487, true)
	again := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken(), ResumeCursor: cursor(seq, callSeq)})
	again.hears("EVENT_LINK_CONNECTED resumed", "EVENT_RINGING 2001 +4930 n1 0", "EVENT_ABANDONED 2001 +4930 n1 487")
}

// A client that is too slow for the log begins anew with what is up, DNs and
// calls, and the writers have not waited for it.
func TestCalls_WhoIsTooSlowBeginsAnew(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(monitorAll(&tlibpb.MonitorAll{}))
	w.heard()
	w.gate.Lock()
	for range 2000 {
		o.traffic.End(begin(t, o.traffic, "2002"), 487, true)
	}
	begin(t, o.traffic, "2001")
	w.gate.Unlock()
	var got []string
	o.await("a snapshot that has the call", func() bool {
		got = append(got, w.heard()...)
		row := slices.Index(got, "EVENT_RINGING 2001 +4930 n1 0 row")
		return row >= 0 && slices.Contains(got[row:], "END_OF_SNAPSHOT")
	})
	got = got[slices.Index(got, "EVENT_RINGING 2001 +4930 n1 0 row"):]
	if !slices.Contains(got[:slices.Index(got, "END_OF_SNAPSHOT")], "EVENT_DN_OUT_OF_SERVICE 1001   row") {
		t.Errorf("heard %q", got)
	}
}
