package route

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestWaitingJSON_IsAContract(t *testing.T) {
	clienttest.Same(t, clienttest.Line(t, newWaitingJSON(&waitingCall{Event: &tlibpb.Event{
		ThisDn: "9000", Time: clienttest.Since, Body: &tlibpb.Event_Queued{Queued: &tlibpb.EventQueued{
			Call: &tlibpb.Call{ConnId: "00000000000000aa", Ani: "+4930", Dnis: "9000"}, Tried: []string{"1001", "1002"}, Tries: []*tlibpb.Try{{Dn: "1001"}, {Dn: "1002", End: &tlibpb.CallEnd{SipStatus: 488, Text: "why"}}},
		}},
	}, asked: true})), `{"conn_id":"00000000000000aa","routing_point":"9000","caller":"+4930","called":"9000","since":"2026-11-22T11:56:48Z","waits_for":"router","tried":["1001","1002"],"user_data":{},"tries":[{"dn":"1001","sip_status":0,"text":""},{"dn":"1002","sip_status":488,"text":"why"}]}`+"\n")
}
