package session

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// What an event costs from the table's word to the octets for a client.
func BenchmarkEvents(b *testing.B) {
	o := newOffice(b)
	ev := &events{view: o.machine.View}
	at := time.Now().UnixNano()
	st := &dn.Status{Number: "1001", State: dn.InSrv, Owner: "a", Keeper: "a", Reason: dn.Registered, Since: at}
	ready := &dn.Status{Number: "1001", Keeper: "a", Agent: &dn.Agent{ID: "7001", State: dn.Ready, Since: at, Reasons: []dn.KeyValue{{Key: "k", Value: "v"}}}}
	rings := &call.Event{Kind: call.Ringing, Call: "00000000000000aa", Node: "a", ThisDN: "2001", Role: call.Called, OtherDN: "+4930", Time: at,
		Info: &call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4930", DNIS: "9000", UserData: map[string]string{"k": "v"}}}
	for name, event := range map[string]func() *tlibpb.Event{
		"dn": func() *tlibpb.Event { return ev.state(st, nil) }, "agent": func() *tlibpb.Event { return ev.agent(ready) }, "call": func() *tlibpb.Event { return ev.call(rings) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf, _ = proto.MarshalOptions{}.MarshalAppend(buf[:0], event())
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

// What an event of a call costs each of many clients.
func BenchmarkBroadcast(b *testing.B) {
	o := newOffice(b)
	ev, all, view := &events{view: o.machine.View}, &broadcast{}, o.machine.View()
	rings := &call.Event{Kind: call.Ringing, Call: "00000000000000aa", Node: "a", ThisDN: "2001", Role: call.Called, OtherDN: "+4930", Time: 1,
		Info: &call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4930", DNIS: "9000"}}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf, _ = proto.MarshalOptions{}.MarshalAppend(buf[:0], all.get(1, view, func() *tlibpb.Event { return ev.call(rings) }))
	}
	b.SetBytes(int64(len(buf)))
}
