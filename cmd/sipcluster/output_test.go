package main

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	since = timestamppb.New(noon.Add(-192 * time.Second))
)

// plainCLI is an invocation that writes to a buffer.
func plainCLI() (*cli, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return &cli{console: &console{
		out: out, err: &bytes.Buffer{}, in: &bytes.Buffer{},
		getenv: func(string) string { return "" }, now: func() time.Time { return noon },
		terminal: func(uintptr) bool { return false },
	}}, out
}

func line(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDNJSON_IsAContract(t *testing.T) {
	row := &tcpb.DNStatus{Dn: "1001", Kind: "sip", State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED, Since: since, Routable: true}
	same(t, line(t, newDNJSON(row)), `{"dn":"1001","kind":"sip","state":"InSrv","owner":"sip1","site":"dc1","reason":"registered","since":"2026-11-22T11:56:48Z","routable":true,"busy":false,"reserved":false}`+"\n")
	same(t, line(t, newDNJSON(&tcpb.DNStatus{Dn: "1002", State: tcpb.DNState_DN_STATE_OOS})), `{"dn":"1002","kind":"","state":"OOS","owner":"","site":"","reason":"","since":"","routable":false,"busy":false,"reserved":false}`+"\n")

	event := &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_OOS, Owner: "sip2", Site: "dc2", Reason: tcpb.Reason_REASON_PEER_LOST, Time: since, Seq: 9}
	same(t, line(t, newEventJSON(event)), `{"event":"EventDNOutOfService","dn":"1001","state":"OOS","owner":"sip2","reason":"peer-lost","time":"2026-11-22T11:56:48Z","seq":9}`+"\n")
	event.State, event.Snapshot, event.Seq = tcpb.DNState_DN_STATE_IN_SRV, true, 0
	same(t, line(t, newEventJSON(event)), `{"event":"EventDNBackInService","dn":"1001","state":"InSrv","owner":"sip2","reason":"peer-lost","time":"2026-11-22T11:56:48Z","seq":0,"snapshot":true}`+"\n")
}

func TestStatusJSON_IsAContract(t *testing.T) {
	same(t, line(t, newStatusJSON(seen())), `{"node":"sip1","site":"dc1","raft":{"state":"leader","leader":"sip1","term":3,"applied_index":17,"quorum":true},`+
		`"peers":[{"node":"sip2","site":"dc2","reachable":true,"reason":"","rtt_ms":0.25,"owned":5,"to_peer_ms":0.1,"from_peer_ms":0.15,"last_answer_ms":40.4,"send_queue":7,"send_queue_bytes":70000,"receive_queue_bytes":96},`+
		`{"node":"sip3","site":"dc3","reachable":false,"reason":"cut","rtt_ms":0,"owned":2,"to_peer_ms":0,"from_peer_ms":0,"last_answer_ms":0,"send_queue":0,"send_queue_bytes":0,"receive_queue_bytes":0}],`+
		`"dns":{"total":10,"in_service":8,"out_of_service":2,"owned":3}}`+"\n")
	same(t, line(t, newStatusJSON(&tcpb.StatusResponse{Node: "sip1"})), `{"node":"sip1","site":"","raft":{"state":"","leader":"","term":0,"applied_index":0,"quorum":false},"peers":[],"dns":{"total":0,"in_service":0,"out_of_service":0,"owned":0}}`+"\n")
}

// seen is the status of a node that hears one of two peers.
func seen() *tcpb.StatusResponse {
	return &tcpb.StatusResponse{
		Node: "sip1", Site: "dc1", Version: "v1.0.0", Started: since,
		Raft: &tcpb.RaftStatus{State: "leader", Leader: "sip1", Term: 3, AppliedIndex: 17, Quorum: true},
		Peers: []*tcpb.PeerStatus{
			{Node: "sip2", Site: "dc2", Reachable: true, RttMs: 0.25, Owned: 5, Since: since, Gossip: "alive", ClockSkewMs: -1.4,
				ToPeerMs: 0.1, FromPeerMs: 0.15, LastAnswerMs: 40.4, SendQueue: 7, SendQueueBytes: 70000, ReceiveQueueBytes: 96},
			{Node: "sip3", Site: "dc3", Reason: "cut", Owned: 2, Since: timestamppb.New(noon.Add(-4 * time.Second)), Gossip: "dead"},
		},
		Dns:      &tcpb.DNCounts{Total: 10, InService: 8, OutOfService: 2, Owned: 3},
		Warnings: []string{"the clock of sip2 differs by 700ms: check NTP"},
	}
}

func TestStatus_ForPeople(t *testing.T) {
	c, out := plainCLI()
	if err := c.printStatus(seen()); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `sip1 at dc1  up 3m12s  v1.0.0
configuration  leader, leader sip1, term 3, index 17, quorum
DNs            10: 8 InSrv, 2 OOS; 3 owned here
warning  the clock of sip2 differs by 700ms: check NTP

PEER  SITE  LINK     FOR        RTT  OWNED  GOSSIP  CLOCK
sip2  dc2   ● heard  3m12s  0.25 ms      5  alive   -1 ms
sip3  dc3   ○ cut    4s           -      2  dead    -

PEER  TO PEER  FROM PEER   ANSWERED  SEND QUEUE  UNACKED  UNREAD
sip2  0.10 ms    0.15 ms  40 ms ago           7   68 KiB    96 B
sip3        -          -          -           0      0 B     0 B
`)
}

func TestNodeList_ForPeople(t *testing.T) {
	nodes := []*configpb.Node{
		{Name: "sip1", Site: "dc1", SipAddr: "192.0.2.1:5060", TcAddr: "192.0.2.1:7001", ClusterAddr: "192.0.2.1:7002"},
		{Name: "sip2", Site: "dc2", SipAddr: "192.0.2.2:5060", TcAddr: "192.0.2.2:7001", ClusterAddr: "192.0.2.2:7002", Draining: true},
		{Name: "sip3", Site: "dc3", SipAddr: "192.0.2.3:5060", TcAddr: "192.0.2.3:7001", ClusterAddr: "192.0.2.3:7002", NonVoter: true},
	}
	c, out := plainCLI()
	if err := c.print(nodeTable(nodes, seen())); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), `NODE  SITE  SEEN     ROLE             SIP             TCPORT          CLUSTER
sip1  dc1   ● asked  leader           192.0.2.1:5060  192.0.2.1:7001  192.0.2.1:7002
sip2  dc2   ● heard  voter, draining  192.0.2.2:5060  192.0.2.2:7001  192.0.2.2:7002
sip3  dc3   ○ cut    non-voter        192.0.2.3:5060  192.0.2.3:7001  192.0.2.3:7002
`)
}

func TestTable_ColoursOnlyWhenAsked(t *testing.T) {
	tab := &table{head: []string{"DN", "STATE"}}
	tab.add(text("1001"), tinted("● InSrv", green))
	tab.add(text("1"), tinted("○ OOS", red))
	var b bytes.Buffer
	if err := tab.write(&b, true); err != nil {
		t.Fatal(err)
	}
	same(t, b.String(), "\x1b[2mDN\x1b[0m    \x1b[2mSTATE\x1b[0m\n1001  \x1b[32m● InSrv\x1b[0m\n1     \x1b[31m○ OOS\x1b[0m\n")
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s",
		5*time.Hour + 2*time.Minute: "5h02m", 72 * time.Hour: "3d",
	} {
		if got := age(noon, timestamppb.New(noon.Add(-d))); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := age(noon, nil); got != "-" {
		t.Error(got)
	}
}

func TestWatchLine_ForPeople(t *testing.T) {
	var b bytes.Buffer
	e := &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_OOS, Owner: "sip2", Site: "dc2", Reason: tcpb.Reason_REASON_PEER_LOST}
	at := time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.Local)
	for _, at := range []time.Time{at, time.Unix(0, 0)} {
		if err := watchLine(&b, at, e, false); err != nil {
			t.Fatal(err)
		}
	}
	same(t, b.String(), `12:00:00.005  ○ OOS    1001          sip2      dc2       peer-lost
-             ○ OOS    1001          sip2      dc2       peer-lost
`)
}
