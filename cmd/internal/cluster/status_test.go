package cluster

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestStatusJSON_IsAContract(t *testing.T) {
	clienttest.Same(t, clienttest.Line(t, newStatusJSON(seen())), `{"node":"sip1","site":"dc1","raft":{"state":"leader","leader":"sip1","term":3,"applied_index":17,"quorum":true},`+
		`"peers":[{"node":"sip2","site":"dc2","reachable":true,"reason":"","rtt_ms":0.25,"owned":5,"to_peer_ms":0.1,"from_peer_ms":0.15,"last_answer_ms":40.4,"send_queue":7,"send_queue_bytes":70000,"receive_queue_bytes":96},`+
		`{"node":"sip3","site":"dc3","reachable":false,"reason":"cut","rtt_ms":0,"owned":2,"to_peer_ms":0,"from_peer_ms":0,"last_answer_ms":0,"send_queue":0,"send_queue_bytes":0,"receive_queue_bytes":0}],`+
		`"dns":{"total":10,"in_service":8,"out_of_service":2,"owned":3,"with_standby":4},"problems":[{"code":"clock-skew","since":"2026-11-22T11:56:48Z","text":"the clock of sip2 differs by 700ms","advice":"check NTP"}],`+
		`"sites":[{"site":"dc1","lost":false,"nodes_heard":["sip1"],"nodes_lost":[],"in_service":3},{"site":"dc2","lost":false,"nodes_heard":["sip2"],"nodes_lost":["sip4"],"in_service":5,"since":"2026-11-22T11:56:48Z"},`+
		`{"site":"dc3","lost":true,"nodes_heard":[],"nodes_lost":["sip3","sip5","sip6","sip7","sip8"],"in_service":0,"since":"2026-11-22T11:59:56Z"},{"site":"dc4","lost":false,"nodes_heard":[],"nodes_lost":[],"in_service":0}]}`+"\n")
	clienttest.Same(t, clienttest.Line(t, newStatusJSON(&tcpb.StatusResponse{Node: "sip1"})), `{"node":"sip1","site":"","raft":{"state":"","leader":"","term":0,"applied_index":0,"quorum":false},"peers":[],"dns":{"total":0,"in_service":0,"out_of_service":0,"owned":0},"problems":[],"sites":[]}`+"\n")
}

// seen is the status of a node that hears one of two peers.
func seen() *tcpb.StatusResponse {
	return &tcpb.StatusResponse{
		Node: "sip1", Site: "dc1", Version: "v1.0.0", Started: clienttest.Since,
		Raft: &tcpb.RaftStatus{State: "leader", Leader: "sip1", Term: 3, AppliedIndex: 17, Quorum: true, Role: "voter", LagEntries: new(uint64(0)), LagMs: new(0.0)},
		Peers: []*tcpb.PeerStatus{
			{Node: "sip2", Site: "dc2", Reachable: true, RttMs: 0.25, Owned: 5, Since: clienttest.Since, Gossip: "alive", ClockSkewMs: -1.4,
				ToPeerMs: 0.1, FromPeerMs: 0.15, LastAnswerMs: 40.4, SendQueue: 7, SendQueueBytes: 70000, ReceiveQueueBytes: 96, Role: "voter", LagEntries: new(uint64(300)), LagMs: new(72500.0)},
			{Node: "sip3", Site: "dc3", Reason: "cut", Owned: 2, Since: timestamppb.New(clienttest.Noon.Add(-4 * time.Second)), Gossip: "dead", Role: "learner"},
		},
		Dns:      &tcpb.DNCounts{Total: 10, InService: 8, OutOfService: 2, Owned: 3, WithStandby: 4},
		Problems: []*tcpb.Problem{{Code: "clock-skew", Since: clienttest.Since, Text: "the clock of sip2 differs by 700ms", Advice: "check NTP"}},
		Sites: []*tcpb.SiteStatus{
			{Site: "dc1", Heard: []string{"sip1"}, InService: 3},
			{Site: "dc2", Heard: []string{"sip2"}, NodesLost: []string{"sip4"}, InService: 5, Since: clienttest.Since},
			{Site: "dc3", NodesLost: []string{"sip3", "sip5", "sip6", "sip7", "sip8"}, Lost: true, Since: timestamppb.New(clienttest.Noon.Add(-4 * time.Second))},
			{Site: "dc4"},
		},
	}
}

func TestStatus_ForPeople(t *testing.T) {
	op, out := clienttest.Plain()
	c := commands{op}
	if err := c.printStatus(seen()); err != nil {
		t.Fatal(err)
	}
	clienttest.Same(t, out.String(), `sip1 at dc1  up 3m12s  v1.0.0
configuration  leader, leader sip1, term 3, index 17, quorum
DNs            10: 8 InSrv (4 with a standby), 2 OOS; 3 owned here
problem        clock-skew: the clock of sip2 differs by 700ms, for 3m12s: check NTP

SITE  STATE         FOR    HEARD  LOST                                IN SERVICE
dc1   ● heard       -      sip1   -                                            3
dc2   ◐ in part     3m12s  sip2   sip4                                         5
dc3   ○ lost        4s     -      sip3, sip5, sip6, sip7, and 1 more           0
dc4   ○ connecting  -      -      -                                            0

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
		{Name: "sip4", Site: "dc4"},
	}
	op, out := clienttest.Plain()
	c := commands{op}
	if err := c.Print(nodeTable(nodes, seen(), clienttest.Noon)); err != nil {
		t.Fatal(err)
	}
	clienttest.Same(t, out.String(), `NODE  SITE  SEEN       ROLE             LAG         SIP             TCPORT          CLUSTER
sip1  dc1   ● asked    leader           0           192.0.2.1:5060  192.0.2.1:7001  192.0.2.1:7002
sip2  dc2   ● heard    voter, draining  300, 1m12s  192.0.2.2:5060  192.0.2.2:7001  192.0.2.2:7002
sip3  dc3   ○ cut 4s   learner          -           192.0.2.3:5060  192.0.2.3:7001  192.0.2.3:7002
sip4  dc4   ○ unknown  -                -
`)
}

func TestNodeListJSON_IsAContract(t *testing.T) {
	places, line := placesOf(seen()), ""
	for _, name := range []string{"sip1", "sip2", "sip3", "sip4"} {
		line += clienttest.Line(t, nodeJSON{Name: name, placeJSON: places[name].json()})
	}
	const addrs = `"site":"","id":"","sip_addr":"","default_addr":"","tc_addr":"","cluster_addr":"","gossip_addr":"","http_addr":"","voter":false,"draining":false,`
	clienttest.Same(t, line, `{"name":"sip1",`+addrs+`"role":"voter","leader":true,"alive":true,"reason":"","dead_since":"","lag_entries":0,"lag_s":0}`+"\n"+
		`{"name":"sip2",`+addrs+`"role":"voter","leader":false,"alive":true,"reason":"","dead_since":"","lag_entries":300,"lag_s":72.5}`+"\n"+
		`{"name":"sip3",`+addrs+`"role":"learner","leader":false,"alive":false,"reason":"cut","dead_since":"2026-11-22T11:59:56Z","lag_entries":null,"lag_s":null}`+"\n"+
		`{"name":"sip4",`+addrs+`"role":"","leader":false,"alive":false,"reason":"","dead_since":"","lag_entries":null,"lag_s":null}`+"\n")
}
