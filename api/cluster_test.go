package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/problem"
)

// reported is what a composition root would tell.
type reported struct {
	quorum bool
	alone  bool
	// silent: the peer never answered.
	silent bool
}

func (r reported) Peers() []Peer {
	if r.alone {
		return nil
	}
	p := Peer{ID: peerID, Reachable: true, Since: time.Unix(100, 0), Gossip: "alive"}
	if !r.silent {
		p.Link = Link{
			RTT: 250 * time.Microsecond, ToPeer: 100 * time.Microsecond, FromPeer: 150 * time.Microsecond, ClockSkew: -time.Second,
			LastAnswer: time.Unix(200, 5e8), SendQueue: 7, SendQueueBytes: 1024, ReceiveQueueBytes: 96,
		}
	}
	return []Peer{p}
}

func (r reported) Raft() Raft {
	return Raft{State: "leader", Leader: selfID, Term: 3, Applied: 17, Quorum: r.quorum}
}

func (r reported) Problems() []problem.Problem {
	return []problem.Problem{{Code: "disk-full", Since: time.Unix(150, 0), Text: "the disk is full", Advice: "make room"}}
}

// applier applies proposals at once to the view of a site.
type applier struct {
	s   *site
	err error
	// careful refuses removals that are not forced.
	careful bool
}

func (a *applier) Propose(_ context.Context, c *peerpb.Command) (uint64, error) {
	if a.err != nil {
		return 0, a.err
	}
	if a.careful && !c.GetForce() {
		return 0, fmt.Errorf("%w: %w", fsm.ErrRejected, &fsm.Rejection{Mutation: 1, Kind: fsm.ErrConflict, Text: "no quorum would be left"})
	}
	next, err := a.s.view.With(c.Mutations)
	if err != nil {
		return 0, err
	}
	a.s.view = next
	return next.Index(), nil
}

func newCluster(t *testing.T, s *site) (tcpb.ClusterClient, *applier) {
	a := &applier{s: s}
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		tcpb.RegisterClusterServer(r, NewCluster(ClusterConfig{
			Table: s.table, Calls: s.calls, View: func() *fsm.View { return s.view }, Observer: reported{quorum: true}, Proposer: a,
			ClusterID: "c1", Version: "v1", Started: time.Unix(50, 0),
		}))
	})
	return tcpb.NewClusterClient(conn), a
}

func TestStatus_CountsWhatListDNsLists(t *testing.T) {
	s := everyKind(t)
	client, _ := newCluster(t, s)
	got, err := client.Status(t.Context(), &tcpb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprint(got.Node, got.Site, got.Version, got.ClusterId, got.Draining, got.Warnings, got.Started.Seconds)
	if head != "sip1dc1v1c1false [the disk is full: make room] 50" {
		t.Error(head)
	}
	if p := got.Problems; len(p) != 1 || p[0].Code != "disk-full" || p[0].Since.Seconds != 150 || p[0].Text != "the disk is full" || p[0].Advice != "make room" {
		t.Error(p)
	}
	if r := got.Raft; r.State != "leader" || r.Leader != "sip1" || r.Term != 3 || r.AppliedIndex != 17 || !r.Quorum {
		t.Error(r)
	}
	if d := got.Dns; d.Total != 8 || d.InService != 5 || d.OutOfService != 3 || d.Owned != 1 {
		t.Error(d)
	}
	p := got.Peers[0]
	if len(got.Peers) != 1 || p.Node != "sip2" || p.Site != "dc2" || !p.Reachable || p.RttMs != 0.25 || p.ClockSkewMs != -1000 || p.Owned != 2 || p.Since.Seconds != 100 || p.TcAddr != "127.0.0.1:7001" {
		t.Error(p)
	}
	if p.ToPeerMs != 0.1 || p.FromPeerMs != 0.15 || p.SendQueue != 7 || p.SendQueueBytes != 1024 || p.ReceiveQueueBytes != 96 {
		t.Error(p)
	}
	if want := milliseconds(time.Since(time.Unix(200, 5e8))); p.LastAnswerMs > want || p.LastAnswerMs < want-60_000 {
		t.Errorf("last answer %v ms ago, want about %v", p.LastAnswerMs, want)
	}
}

func TestLink_LastAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		at       time.Time
		min, max time.Duration
	}{
		"none yet":                 {time.Time{}, 0, 0},
		"a while ago":              {time.Now().Add(-time.Hour), time.Hour, time.Hour + time.Minute},
		"before a clock was reset": {time.Now().Add(time.Hour), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := Link{LastAnswer: tc.at}
			if got := l.sinceAnswer(); got < tc.min || got > tc.max {
				t.Errorf("%v, want %v to %v", got, tc.min, tc.max)
			}
		})
	}
}

func TestDrainNode_AndBack(t *testing.T) {
	s := everyKind(t)
	client, _ := newCluster(t, s)
	for _, undo := range []bool{false, false, true, true} {
		if _, err := client.DrainNode(t.Context(), &tcpb.DrainNodeRequest{Name: "sip2", Undo: undo}); err != nil {
			t.Fatal(err)
		}
		if s.view.NodeByName("sip2").Draining == undo {
			t.Errorf("undo %v: %v", undo, s.view.NodeByName("sip2"))
		}
	}
}

func TestRemoveNode(t *testing.T) {
	s := everyKind(t)
	client, a := newCluster(t, s)
	remove := func(name string) error {
		_, err := client.RemoveNode(t.Context(), &tcpb.RemoveNodeRequest{Name: name})
		return err
	}
	if err := remove("sip9"); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
	a.err = fsm.ErrNoQuorum
	if err := remove("sip2"); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "not applied") {
		t.Error(err)
	}
	a.err = nil
	if err := remove("sip2"); err != nil || s.view.NodeByName("sip2") != nil {
		t.Error(err)
	}
	if err := remove("sip1"); status.Code(err) != codes.FailedPrecondition {
		t.Error(err)
	}
	s = everyKind(t)
	client, a = newCluster(t, s)
	a.careful = true
	if err := remove("sip2"); status.Code(err) != codes.FailedPrecondition || s.view.NodeByName("sip2") == nil {
		t.Error(err)
	}
	answer, err := client.RemoveNode(t.Context(), &tcpb.RemoveNodeRequest{Name: "sip2", Force: true})
	if err != nil || !strings.Contains(answer.GetLost(), "no quorum") || s.view.NodeByName("sip2") != nil {
		t.Error(answer, err)
	}
}

type counted struct{}

func (counted) Samples(emit func(Sample)) {
	emit(Sample{Name: "sip_requests_total", Help: "Requests.", Counter: true, Label: "method", LabelValue: "REGISTER", Value: 3})
	emit(Sample{Name: "sip_requests_total", Help: "Requests.", Counter: true, Label: "method", LabelValue: "OPTIONS", Value: 1})
}

func TestHTTP(t *testing.T) {
	s := everyKind(t)
	ready := status.Error(codes.Unavailable, "joining")
	c := HTTPConfig{
		Table: s.table, Observer: reported{quorum: true}, Names: func(dn.Node) string { return "sip2" }, Sources: []Source{counted{}},
		Ready: func() error { return ready },
	}
	get := func(c HTTPConfig, path string) (int, string) {
		w := httptest.NewRecorder()
		NewHTTP(c).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	code, text := get(c, "/metrics")
	for _, want := range []string{
		"sipcluster_dns_known 4\n", "sipcluster_dns_in_service 4\n", "sipcluster_dns_owned 2\n",
		`sipcluster_peer_rtt_seconds{peer="sip2"} 0.00025` + "\n", "sipcluster_raft_quorum 1\n", "# TYPE sipcluster_sip_requests_total counter\n",
		`sipcluster_peer_delay_to_seconds{peer="sip2"} 0.0001` + "\n", `sipcluster_peer_delay_from_seconds{peer="sip2"} 0.00015` + "\n",
		`sipcluster_peer_last_answer_timestamp_seconds{peer="sip2"} 200.5` + "\n", `sipcluster_peer_send_queue_changes{peer="sip2"} 7` + "\n",
		`sipcluster_peer_send_queue_bytes{peer="sip2"} 1024` + "\n", `sipcluster_peer_receive_queue_bytes{peer="sip2"} 96` + "\n",
		`sipcluster_sip_requests_total{method="REGISTER"} 3` + "\n", "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%d, no %q in\n%s", code, want, text)
		}
	}
	for want, o := range map[string]reported{"sipcluster_peer_": {alone: true}, "sipcluster_peer_last_answer_": {silent: true}} {
		c := c
		c.Observer = o
		if _, text := get(c, "/metrics"); strings.Contains(text, want) {
			t.Errorf("%+v leaves %s in\n%s", o, want, text)
		}
	}
	if code, _ := get(c, "/healthz"); code != http.StatusOK {
		t.Error(code)
	}
	if code, text := get(c, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "joining") {
		t.Error(code, text)
	}
	ready = nil
	if code, _ := get(c, "/readyz"); code != http.StatusOK {
		t.Error(code)
	}
	if code, _ := get(c, "/debug/pprof/"); code != http.StatusNotFound {
		t.Error(code)
	}
	c.Debug = true
	if code, _ := get(c, "/debug/pprof/"); code != http.StatusOK {
		t.Error(code)
	}
}
