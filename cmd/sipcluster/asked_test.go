package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// scripted is a node that notes what it is asked, and answers as it is told.
type scripted struct {
	configpb.UnimplementedConfigurationServer
	addr string
	// stop ends every connection; a handler that calls it goes on behind.
	stop func()
	// dn is what the node has.
	dn *configpb.DN
	// importEnds after these positions, each of so many, with that error.
	importEnds []uint64
	importErr  error
	// write answers Write; nil answers it well.
	write func(context.Context) error
	// streams are the answers to one Watch after the other.
	streams [][]*tcpb.WatchResponse
	// pause between two of them.
	pause time.Duration

	mu      sync.Mutex
	writes  []*configpb.WriteRequest
	imports int
	watches []string
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s := &scripted{addr: l.Addr().String(), stop: server.Stop}
	tcpb.RegisterAvailabilityServer(server, watched{s: s})
	configpb.RegisterConfigurationServer(server, s)
	tcpb.RegisterClusterServer(server, levelled{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Stop()
		patience.Done(t, "the end of the server", wg.Wait)
	})
	return s
}

// levelled is a node of the greatest feature level.
type levelled struct {
	tcpb.UnimplementedClusterServer
}

func (levelled) Status(context.Context, *tcpb.StatusRequest) (*tcpb.StatusResponse, error) {
	return &tcpb.StatusResponse{Raft: &tcpb.RaftStatus{FeatureLevel: 2}}, nil
}

func (s *scripted) GetDN(_ context.Context, r *configpb.GetDNRequest) (*configpb.GetDNResponse, error) {
	if s.dn.GetNumber() != r.GetNumber() {
		return nil, status.Error(codes.NotFound, "there is none")
	}
	return &configpb.GetDNResponse{Dn: s.dn}, nil
}

func (s *scripted) GetOptions(context.Context, *configpb.GetOptionsRequest) (*configpb.GetOptionsResponse, error) {
	return &configpb.GetOptionsResponse{Options: &configpb.Options{Realm: "example.org"}}, nil
}

func (s *scripted) Export(_ *configpb.ExportRequest, out configpb.Configuration_ExportServer) error {
	return out.Send(&configpb.ExportResponse{
		Options: (&configpb.Options{Realm: "example.org"}).WithDefaults(),
		Groups:  []*configpb.AgentGroup{{Name: "sales"}, {Name: "support"}},
	})
}

func (s *scripted) Write(ctx context.Context, r *configpb.WriteRequest) (*configpb.WriteResponse, error) {
	if s.write != nil {
		return nil, s.write(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, r)
	return &configpb.WriteResponse{Revision: 99}, nil
}

func (s *scripted) Import(in configpb.Configuration_ImportServer) error {
	for {
		r, err := in.Recv()
		if err != nil {
			break
		}
		s.mu.Lock()
		s.imports += len(r.GetMutations())
		s.mu.Unlock()
	}
	for _, n := range s.importEnds {
		if err := in.Send(&configpb.ImportResponse{Written: n, Total: 1000}); err != nil {
			return err
		}
	}
	return s.importErr
}

// watched is the part of a scripted node that has the DNs' states.
type watched struct {
	tcpb.UnimplementedAvailabilityServer
	s *scripted
}

func (w watched) Watch(r *tcpb.WatchRequest, out tcpb.Availability_WatchServer) error {
	s := w.s
	s.mu.Lock()
	n := len(s.watches)
	s.watches = append(s.watches, cmp.Or(string(r.GetResumeCursor()), "-"))
	s.mu.Unlock()
	if n >= len(s.streams) {
		<-out.Context().Done()
		return out.Context().Err()
	}
	for _, m := range s.streams[n] {
		if err := out.Send(m); err != nil {
			return err
		}
		select {
		case <-time.After(s.pause):
		case <-out.Context().Done():
		}
	}
	return status.Error(codes.Unavailable, "error reading from server: EOF") // as a connection that ends
}

func started(incarnation uint64, resumed bool) *tcpb.WatchResponse {
	return &tcpb.WatchResponse{Body: &tcpb.WatchResponse_Started{Started: &tcpb.WatchStarted{Node: "sip1", Incarnation: incarnation, Resumed: resumed}}}
}

func told(seq uint64, snapshot bool) *tcpb.WatchResponse {
	e := &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Seq: seq, Snapshot: snapshot}
	b := &tcpb.EventBatch{Events: []*tcpb.DNEvent{e}}
	if !snapshot {
		b.Cursor = fmt.Append(nil, seq)
	}
	return &tcpb.WatchResponse{Body: &tcpb.WatchResponse_Events{Events: b}}
}

func wholeAt(seq uint64) *tcpb.WatchResponse {
	return &tcpb.WatchResponse{Body: &tcpb.WatchResponse_EndOfSnapshot{EndOfSnapshot: &tcpb.EndOfSnapshot{Seq: seq, Cursor: fmt.Append(nil, seq)}}}
}

func beat(seq uint64) *tcpb.WatchResponse {
	return &tcpb.WatchResponse{Body: &tcpb.WatchResponse_Heartbeat{Heartbeat: &tcpb.Heartbeat{Seq: seq, Cursor: fmt.Append(nil, seq)}}}
}

// A watch goes on behind the last thing that it was told for sure, and never
// behind a snapshot of which it has only a part.
func TestDNWatch_ResumesBehindWhatWasTold(t *testing.T) {
	s := newScripted(t)
	s.streams = [][]*tcpb.WatchResponse{
		{started(5, false), told(0, true), wholeAt(7)},
		{started(5, true), told(9, false), beat(12)},
		{started(5, true)},
		{started(6, false), told(0, true)},
		{started(6, false), told(0, true), wholeAt(3), told(4, false)},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	c, _ := clienttest.Plain()
	c.Out, c.Err = io.Discard, io.Discard
	go func() { ended <- run(ctx, c.Console, []string{"dn", "watch", "-o", "json", "--addr", s.addr}) }()
	asked := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Join(s.watches, " ")
	}
	const want = "- 7 12 12 - 4"
	patience.Until(t, "the sixth watch", func() bool { return len(strings.Fields(asked())) >= 6 })
	if asked() != want {
		t.Errorf("asked for %s, want %s", asked(), want)
	}
	cancel()
	if got := patience.Receive(t, "the end of the command", ended); got != exitDone {
		t.Errorf("status %d", got)
	}
}

// A node that says something now and then is not silent, however long it takes.
func TestDNWatch_HeartbeatsKeepTheStream(t *testing.T) {
	s := newScripted(t)
	s.pause = 600 * time.Millisecond
	s.streams = [][]*tcpb.WatchResponse{{started(5, false), wholeAt(1), beat(1), beat(1), beat(1), beat(1), beat(1), beat(1), told(2, false)}}
	w := operator{t, s.addr}.begins("dn", "watch", "-o", "json", "--timeout", "3500ms") // shorter than all of it, far longer than what lies between two words
	w.wants(t, `"event":"EndOfSnapshot"`)
	w.wants(t, `"event":"EventDNBackInService"`) // and no word of a lost connection
	w.stop()
	patience.Receive(t, "the end of the command", w.status)
}

// What is written is what the flags say of what was read, whatever else somebody
// changes meanwhile; a new DN, and one of another kind, only when nobody did.
func TestDNPut_WritesBackWhatItRead(t *testing.T) {
	stored := &configpb.DN{
		Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Disabled: true, Groups: []string{"sales"},
		Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, Revision: 17,
	}
	for name, tc := range map[string]struct {
		has, want *configpb.DN
		args      string
		keep      bool
		fields    []string // that are written of it; none: all
	}{
		"a new one must not be there": {
			nil, &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}, "--kind pstn --external +15551234567", true, nil,
		},
		"groups": {
			stored, &configpb.DN{Number: "1001", Kind: stored.Kind, Disabled: true, Groups: []string{"support"}, Algorithm: stored.Algorithm}, "--group support", true, []string{"groups"},
		},
		"enabled": {
			stored, &configpb.DN{Number: "1001", Kind: stored.Kind, Groups: stored.Groups, Algorithm: stored.Algorithm}, "--disabled=false", true, []string{"disabled"},
		},
		"another kind stays disabled, in its groups": {
			stored, &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, Disabled: true, Groups: stored.Groups, External: "+15551234567"},
			"--kind pstn --external +15551234567", true, nil,
		},
		"another password keeps the algorithm": {
			stored, &configpb.DN{
				Number: "1001", Kind: stored.Kind, Disabled: true, Groups: stored.Groups, Algorithm: stored.Algorithm,
				Ha1: config.HA1(stored.Algorithm, "1001", "example.org", "x"),
			}, "--password x", false, []string{"ha1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			s.dn = tc.has
			operator{t, s.addr}.does("", append([]string{"dn", "put", "1001"}, strings.Fields(tc.args)...)...)
			if len(s.writes) != 1 || len(s.writes[0].Mutations) != 1 {
				t.Fatal(s.writes)
			}
			m := s.writes[0].Mutations[0]
			if !proto.Equal(m.GetPutDn(), tc.want) || m.KeepHa1 != tc.keep {
				t.Errorf("wrote %v, keep %v\nwant  %v, keep %v", m.GetPutDn(), m.KeepHa1, tc.want, tc.keep)
			}
			if len(tc.fields) > 0 {
				if got := m.GetMask().GetPaths(); !slices.Equal(got, tc.fields) {
					t.Errorf("of what was there %v is changed, want %v", got, tc.fields)
				}
			} else if m.IfRevision == nil || m.GetIfRevision() != tc.has.GetRevision() {
				t.Errorf("if_revision %v, want %d", m.IfRevision, tc.has.GetRevision())
			}
		})
	}
}

// An import that breaks off says how much of it is there.
func TestImport_SaysHowMuchWasWritten(t *testing.T) {
	refused := outcome.Info{Reason: outcome.NotApplied, Mutation: 1}
	stopped := outcome.Info{Reason: outcome.PartlyApplied, Mutation: 1, Written: 600}
	for name, tc := range map[string]struct {
		ends []uint64
		err  error
		want string
	}{
		"nothing":             {nil, outcome.Info{Reason: outcome.NotApplied}.Status(codes.Unavailable, "no quorum"), "no quorum"},
		"a row is refused":    {nil, refused.Status(codes.InvalidArgument, "DN 5001"), "row 2: DN 5001; nothing was imported"},
		"a part":              {[]uint64{100, 600}, stopped.Status(codes.Unavailable, "no quorum"), "no quorum (600 changes were written: fix the cause and run this again)"},
		"of an older node":    {nil, status.Error(codes.InvalidArgument, "mutation 1: DN 5001"), "mutation 1: DN 5001"},
		"a mutation too many": {nil, outcome.Info{Reason: outcome.NotApplied, Mutation: 9}.Status(codes.InvalidArgument, "DN 5001"), "DN 5001"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			s.importEnds, s.importErr = tc.ends, tc.err
			operator{t, s.addr}.fails(header+"5001,sip,s,,sales\n", "dn import -: "+tc.want, "dn", "import", "-")
		})
	}
}

// Few changes are one write, all or nothing; more than that, in number or in
// bytes, are an import.
func TestApply_WhatIsTooMuchForAWriteIsAnImport(t *testing.T) {
	long := strings.Repeat("g", 60)
	for name, tc := range map[string]struct {
		dns, groups     int
		writes, imports int
	}{
		"few":            {500, 0, 1, 0},
		"one too many":   {501, 0, 0, 501},
		"too many bytes": {400, 30, 0, 400 + 30},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			var groups []string
			for i := range tc.groups {
				groups = append(groups, fmt.Sprint(long, i))
			}
			var doc strings.Builder
			doc.WriteString("dns:\n")
			for i := range tc.dns {
				fmt.Fprintf(&doc, "  - {dn: %d, kind: pstn, external: '+1555%07d', groups: [%s]}\n", 5000+i, i, strings.Join(groups, ", "))
			}
			operator{t, s.addr}.does(doc.String(), "apply", "-f", "-")
			if len(s.writes) != tc.writes || s.imports != tc.imports {
				t.Errorf("%d writes and %d mutations imported, want %d and %d", len(s.writes), s.imports, tc.writes, tc.imports)
			}
		})
	}
}

// An agent who is there already is held as well.
func TestAgentHold_OfAnAgentWhoIsThere(t *testing.T) {
	o := agentsNode(t)
	o.does("options: {desktop_grace_s: 30}\n", "apply", "-f", "-")
	first := o.begins("agent", "hold", "2001", "--agent-id", "8001")
	first.comes(t, "2001 is held at sip1")
	second := o.begins("agent", "hold", "2001", "--agent-id", "8001")
	second.comes(t, "EventRegistered")
	second.comes(t, "2001 is held at sip1")
	first.ends(t)
	second.comes(t, "EventAgentLogout")
	second.ends(t)
}
