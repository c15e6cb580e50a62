package node

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/problem"
	"github.com/sipcluster/sipcluster/node/session"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	"github.com/sipcluster/sipcluster/sip/answer"
)

// numbered gives every number in a struct, at any depth, another value from then
// on, and returns the next one: whatever shows one in another's place is seen.
func numbered(v reflect.Value, next int) int {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && f.Type() != reflect.TypeFor[time.Time]() {
				next = numbered(f, next)
			}
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(next))
		next++
	case reflect.Uint64:
		v.SetUint(uint64(next))
		next++
	}
	return next
}

// samples are what is emitted, as lines.
func samples(source func(emit func(api.Sample))) (lines []string) {
	source(func(s api.Sample) {
		kind, label := "gauge", ""
		if s.Counter {
			kind = "counter"
		}
		if s.Label != "" {
			label = fmt.Sprintf("{%s=%s}", s.Label, s.LabelValue)
		}
		if s.Help == "" {
			kind += ", without a word on it"
		}
		lines = append(lines, fmt.Sprintf("%s%s %v %s", s.Name, label, s.Value, kind))
	})
	slices.Sort(lines)
	return lines
}

func wantLines(t *testing.T, got []string, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if slices.Sort(lines); !slices.Equal(got, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// Each metric shows the number that it says, and each number is shown.
func TestMetrics_OfSIP(t *testing.T) {
	var st answer.Stats
	if n := numbered(reflect.ValueOf(&st).Elem(), 101); n != 124 {
		t.Fatalf("the SIP port counts %d things, this table has 23", n-101)
	}
	st.Rejects = map[int]uint64{404: 7, 503: 8}
	wantLines(t, samples(func(emit func(api.Sample)) { sipSamples(st, emit) }), `
		sip_registrations_total 101 counter
		sip_refreshes_total 102 counter
		sip_removals_total 103 counter
		sip_expirations_total 104 counter
		sip_dropped_total 105 counter
		sip_challenges_total 106 counter
		sip_challenges_stale_total 107 counter
		sip_fast_total 108 counter
		sip_plain_total 109 counter
		sip_malformed_total 110 counter
		sip_panics_total 111 counter
		sip_calls_total 112 counter
		sip_overload_total 113 counter
		sip_wrong_passwords_total 114 counter
		sip_silenced_total 115 counter
		sip_kernel_drops_total 116 counter
		sip_late_total 117 counter
		sip_shed_total 118 counter
		location_flush_failures_total 119 counter
		sip_bindings 120 gauge
		sip_connections 121 gauge
		sip_overloaded 122 gauge
		sip_receive_buffer_bytes 123 gauge
		sip_rejects_total{code=404} 7 counter
		sip_rejects_total{code=503} 8 counter`)
}

func TestMetrics_OfPeers(t *testing.T) {
	peers := []tcontroller.PeerStatus{
		{Peer: tcontroller.Peer{ID: "id1", Name: "n1"}, Losses: 1, Vetoes: 2}, {Peer: tcontroller.Peer{ID: "id2", Name: "n2"}, Losses: 3, Vetoes: 4},
	}
	wantLines(t, samples(func(emit func(api.Sample)) { peerSamples(5, peers, emit) }), `
		gossip_doubted_total 5 counter
		peer_losses_total{peer=n1} 1 counter
		peer_vetoes_total{peer=n1} 2 counter
		peer_losses_total{peer=n2} 3 counter
		peer_vetoes_total{peer=n2} 4 counter`)
}

func TestMetrics_OfStreams(t *testing.T) {
	name := func(id dn.Node) string { return "name of " + string(id) }
	wantLines(t, samples(func(emit func(api.Sample)) { streamSamples(map[dn.Node]int{"a": 16, "b": 0}, name, emit) }), `
		sip_peer_streams{peer=name of a} 16 gauge
		sip_peer_streams{peer=name of b} 0 gauge`)
}

func TestMetrics_OfSessionsAndCalls(t *testing.T) {
	var st session.Stats
	var calls call.Counts
	if n := numbered(reflect.ValueOf(&calls).Elem(), numbered(reflect.ValueOf(&st).Elem(), 101)); n != 110 {
		t.Fatalf("%d things are counted, this table has 9", n-101)
	}
	wantLines(t, samples(func(emit func(api.Sample)) { sessionSamples(st, calls, emit) }), `
		tlib_sessions 101 gauge
		tlib_addresses 102 gauge
		tlib_requests_total 103 counter
		tlib_errors_total 104 counter
		tlib_events_total 105 counter
		tlib_dropped_total 106 counter
		calls 107 gauge
		calls_cluster 108 gauge
		calls_refused_total 109 counter`)
}

// Of the two links to a peer, each number is that of the right one, and what
// waits on both is the sum.
func TestObserver_PutsTheLinksTogether(t *testing.T) {
	answer := time.Unix(1, 2)
	got := linkOf(&tcontroller.PeerStatus{
		Delay:  tcontroller.Delay{RTT: 1, ToPeer: 2, FromPeer: 3, Skew: 4, LastAnswer: answer},
		Socket: tcontroller.Socket{Unacked: 10, Unread: 200},
	}, tcontroller.Backlog{Changes: 3000, CallEvents: 40000, Socket: tcontroller.Socket{Unacked: 500000, Unread: 6000000}})
	want := api.Link{RTT: 1, ToPeer: 2, FromPeer: 3, ClockSkew: 4, LastAnswer: answer, SendQueue: 43000, SendQueueBytes: 500010, ReceiveQueueBytes: 6000200}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A clock that is behind is as wrong as one that is ahead.
func TestWarnings_ClocksAheadAndBehind(t *testing.T) {
	var peers []tcontroller.PeerStatus
	for name, skew := range map[string]time.Duration{
		"ahead": 501 * time.Millisecond, "behind": -501 * time.Millisecond, "well": 500 * time.Millisecond, "fine": -500 * time.Millisecond,
	} {
		peers = append(peers, tcontroller.PeerStatus{Peer: tcontroller.Peer{Name: name}, Delay: tcontroller.Delay{Skew: skew}})
	}
	var got []string
	skews(peers, func(p problem.Problem) { got = append(got, p.String()) })
	slices.Sort(got)
	want := []string{"the clock of ahead differs by 501ms: check NTP", "the clock of behind differs by -501ms: check NTP"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
