package tcontroller

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// full fails when a field of x, or of what is in it, has no value: a sample for
// a test of all fields has to have all.
func full(t *testing.T, x reflect.Value, path string, but ...string) {
	t.Helper()
	for x.Kind() == reflect.Pointer && !x.IsNil() {
		x = x.Elem()
	}
	if x.IsZero() && !slices.Contains(but, path) {
		t.Fatalf("the sample has no %s: give it a value, and see that it travels", path)
	}
	switch x.Kind() {
	case reflect.Struct:
		for i := range x.NumField() {
			full(t, x.Field(i), path+"."+x.Type().Field(i).Name, but...)
		}
	case reflect.Slice:
		for i := range x.Len() {
			full(t, x.Index(i), path+"[]", but...)
		}
	}
}

// crosses sends m over the wire.
func crosses[M proto.Message](t *testing.T, m, into M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err == nil {
		err = proto.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return into
}

func TestRecord_EveryFieldTravels(t *testing.T) {
	sample := func() dn.Record {
		return dn.Record{
			Desks:  &dn.Desks{{Node: "n3", Incarnation: 31, Claim: 32, Private: true}, {Node: "n4", Incarnation: 33, Claim: 30, Private: true}},
			Number: "1001", ClaimTime: 11, Seq: 12, State: dn.InSrv, Reason: dn.OwnerMoved, Since: 13, Gone: true,
			Agent:    &dn.Agent{ID: "7001", State: dn.Ready, Mode: 5, Since: 14, Login: 15, Reasons: []dn.KeyValue{{Key: "k", Value: "v"}, {Key: "l", Value: "w"}}},
			Reserved: dn.Reservation{Holder: "router", Left: 15, Next: &dn.Reservation{Holder: "call", Left: 16, Next: &dn.Reservation{Holder: "other", Left: 17}}}, Way: dn.Way{Line: 16, Flow: 17}, Said: 18, Floor: 10, DoNotDisturb: true, CoolLeft: 19, AgentLeft: 20, Spoken: dn.Spoken{Said: dn.SRTP, Usual: dn.DTLS},
		}
	}
	s := sample()
	full(t, reflect.ValueOf(s), "Record", "Record.Reserved.Next.Next.Next")
	for name, change := range map[string]func(*dn.Record){
		"all": func(*dn.Record) {}, "out of service": func(r *dn.Record) { r.State = dn.OOS }, "no agent": func(r *dn.Record) { r.Agent, r.AgentLeft = nil, 0 },
		"not gone": func(r *dn.Record) { r.Gone = false }, "not reserved": func(r *dn.Record) { r.Reserved = dn.Reservation{} },
		"no reasons": func(r *dn.Record) { r.Agent.Reasons = nil }, "logged out": func(r *dn.Record) { r.Agent.State = dn.LoggedOut },
		"logged in": func(r *dn.Record) { r.Agent.State = dn.LoggedIn }, "not ready": func(r *dn.Record) { r.Agent.State = dn.NotReady },
		"no clients": func(r *dn.Record) { r.Desks = nil },
		"no reason":  func(r *dn.Record) { r.Reason = dn.NoReason },
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			change(&r)
			if got := FromProto(crosses(t, ToProto(&r), &peerpb.Record{})); !reflect.DeepEqual(got, r) {
				t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.Agent, r, r.Agent)
			}
		})
	}
}

// A message of records is used again and again: nothing stays of what was in it.
func TestRecord_NothingStaysOfTheOneBefore(t *testing.T) {
	before := dn.Record{Number: "1", Gone: true, Reason: dn.Admin, Since: 1, Seq: 1, ClaimTime: 1, State: dn.InSrv, Agent: &dn.Agent{ID: "a"}, Reserved: dn.Reservation{Holder: "h", Left: 1, Next: &dn.Reservation{Holder: "i", Left: 1}}, Way: dn.Way{Line: 1, Flow: 1}, Said: 1, Floor: 1,
		Desks: &dn.Desks{{Node: "n", Claim: 1}}}
	p, now := ToProto(&before), dn.Record{Number: "2"}
	if toProto(p, &now); !proto.Equal(p, ToProto(&now)) {
		t.Errorf("got %v, want %v", p, ToProto(&now))
	}
}

// A position is that of the changes in a message: the rows of a snapshot behind
// them have none.
func TestRecord_RowsHaveNoPosition(t *testing.T) {
	b, l := newBatch(), &publisherLink{stream: &saying{}}
	for _, want := range []uint64{9, 0, 12} {
		b.add(&dn.Item{Seq: want, Record: dn.Record{Number: "1"}})
		if b.body.GetSeq() != want || len(b.body.GetRecords()) != 1 {
			t.Errorf("%d records up to %d, want one up to %d", len(b.body.GetRecords()), b.body.GetSeq(), want)
		}
		if err := b.flush(l); err != nil {
			t.Fatal(err)
		}
	}
}

// What an agent may hold at most is taken, and nothing that it may not.
func TestRecord_EdgesOfAnAgent(t *testing.T) {
	record := func(change func(*peerpb.Agent)) *peerpb.Record {
		a := &peerpb.Agent{Id: "7001", State: tcpb.AgentState_AGENT_STATE_READY, WorkMode: uint32(dn.WorkModes) - 1, Since: 1}
		for i := range dn.MaxReasons {
			a.Reasons = append(a.Reasons, &peerpb.KeyValue{Key: fmt.Sprintf("k%02d", i), Value: strings.Repeat("v", dn.MaxReasonValue)})
		}
		change(a)
		return &peerpb.Record{Dn: "1001", ClaimTime: 1, State: tcpb.DNState_DN_STATE_IN_SRV, Reason: tcpb.Reason_REASON_REGISTERED, Since: 1, Agent: a}
	}
	for name, tc := range map[string]struct {
		change func(*peerpb.Agent)
		taken  bool
	}{
		"as much as may be": {func(*peerpb.Agent) {}, true},
		"a reason more":     {func(a *peerpb.Agent) { a.Reasons = append(a.Reasons, &peerpb.KeyValue{Key: "z"}) }, false},
		"another work mode": {func(a *peerpb.Agent) { a.WorkMode = uint32(dn.WorkModes) }, false},
		"one that wraps":    {func(a *peerpb.Agent) { a.WorkMode = 256 }, false},
		"no state":          {func(a *peerpb.Agent) { a.State = 0 }, false},
		"another state":     {func(a *peerpb.Agent) { a.State = 5 }, false},
		"a negative one":    {func(a *peerpb.Agent) { a.State = -1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := dn.New(dn.Config{Self: "b", Incarnation: 1}).Sync("a", 1, false)
			if err != nil {
				t.Fatal(err)
			}
			if rejected, err := c.Apply([]dn.Record{FromProto(record(tc.change))}, 0); err != nil || (rejected == 0) != tc.taken {
				t.Errorf("rejected %d, %v", rejected, err)
			}
		})
	}
}

func sampleInfo() *call.Info {
	return &call.Info{Caller: "trunk1", Type: call.Outbound, ANI: "+4930", DNIS: "9000", Began: 21, UserData: map[string]string{"k": "v"}, LastQueue: "9000",
		Transfer: &call.Transfer{Conn: "00000000000000ab", From: "00000000000000ac", Previous: "00000000000000ad", By: "1005"}}
}

func TestCall_EveryFieldTravels(t *testing.T) {
	c := call.Call{ID: "00000000000000aa", Info: sampleInfo(), Parties: []call.Party{
		{DN: "1001", Role: call.Called, State: call.StateEstablished, Other: "4930", Since: 22, HeldSince: 25, At: "n9"}, {DN: "1002", Role: call.Called, State: call.StateRinging, Other: "4931", Since: 23, HeldSince: 26, At: "n8"},
	}, Queue: &call.Queue{RP: "9000", Group: "sales", Since: 24}}
	full(t, reflect.ValueOf(c), "Call", "Call.Node")
	if got := callFromProto(crosses(t, callToProto(&c), &peerpb.Call{})); !reflect.DeepEqual(*got, c) {
		t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.Info, c, c.Info)
	}
}

func TestCall_EveryFieldOfAnEventTravels(t *testing.T) {
	var sent sentEvent // for one after the other
	eventToProto := func(e *call.Event) *peerpb.CallEvent {
		sent.set(e)
		return &sent.CallEvent
	}
	e := call.Event{Kind: call.Released, Call: "00000000000000aa", ThisDN: "1001", Role: call.Called, OtherDN: "4930", Time: 24, Cause: 487, Of: "n9", Data: map[string]string{"d": "e"}, Info: sampleInfo(), Fresh: true, Why: "why"}
	full(t, reflect.ValueOf(e), "Event", "Event.Node", "Event.Local", "Event.Move")
	got := eventFromProto(crosses(t, eventToProto(&e), &peerpb.CallEvent{}))
	if got.Fresh = true; !reflect.DeepEqual(*got, e) { // that is for the copy to say
		t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.Info, e, e.Info)
	}
	e.Fresh = false
	if got := eventFromProto(eventToProto(&e)); got.Info != nil {
		t.Errorf("what was told before is told again: %+v", got.Info)
	}
	e.Cause = -3
	if got := eventFromProto(eventToProto(&e)); got.Cause != 0 {
		t.Errorf("a cause of %d", got.Cause)
	}
}

// cut is what becomes of items: the kinds of messages and how many items each has.
func cut(items []call.Item) (out []string) {
	for b := newEventBatch(); len(items) > 0; {
		var m *peerpb.FollowResponse
		m, items = b.message(items)
		switch b := m.GetBody().(type) {
		case *peerpb.FollowResponse_CallsHello:
			out = append(out, fmt.Sprint("hello ", b.CallsHello.GetResumed()))
		case *peerpb.FollowResponse_CallSnapshot:
			out = append(out, fmt.Sprint("rows ", len(b.CallSnapshot.GetCalls())))
		case *peerpb.FollowResponse_EndOfCallSync:
			out = append(out, fmt.Sprint("end at ", b.EndOfCallSync.GetSeq()))
		case *peerpb.FollowResponse_CallEvents:
			out = append(out, fmt.Sprint("events ", len(b.CallEvents.GetEvents()), " to ", b.CallEvents.GetSeq()))
		}
	}
	return out
}

// Messages about calls are of one kind each and not large, whatever the calls
// hold: a DN's record waits behind one at most.
func TestCall_EveryFieldOfACarriedOneTravels(t *testing.T) {
	x := call.Carried{Call: "00000000000000aa", Of: "n9", DN: "1001", Over: true}
	full(t, reflect.ValueOf(x), "Carried")
	for _, over := range []bool{true, false} {
		x.Over = over
		m, rest := newEventBatch().message([]call.Item{{Kind: call.LegRow, Leg: &x}, {Kind: feed.EndOfSnapshot}})
		got := carriedFromProto(crosses(t, m.GetCallSnapshot(), &peerpb.CallSnapshot{}).GetCarried())
		if len(rest) != 1 || !reflect.DeepEqual(got, []call.Carried{x}) {
			t.Errorf("got %+v, want %+v", got, x)
		}
	}
}

func TestCall_MessagesAreSmallAndInOrder(t *testing.T) {
	info := sampleInfo()
	info.UserData = map[string]string{"k": strings.Repeat("x", 15<<10)}
	row := call.Item{Kind: feed.Row, Call: &call.Call{ID: "00000000000000aa", Info: info, Parties: make([]call.Party, 2)}}
	happened := func(seq uint64, fresh bool) call.Item {
		return call.Item{Kind: feed.Change, Seq: seq, Event: &call.Event{Call: "00000000000000aa", Info: info, Fresh: fresh}}
	}
	items := []call.Item{{Kind: feed.Started, Resumed: true}, row, row, row, row, {Kind: feed.EndOfSnapshot, Seq: 40}}
	for i := range uint64(4) {
		items = append(items, happened(41+i, true))
	}
	for i := range uint64(600) {
		items = append(items, happened(45+i, false))
	}
	items = append(items, call.Item{Kind: feed.Started}, row)
	want := []string{"hello true", "rows 3", "rows 1", "end at 40", "events 3 to 43", "events 136 to 179", "events 256 to 435", "events 209 to 644", "hello false", "rows 1"}
	if got := cut(items); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
