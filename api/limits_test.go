package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// An import as a whole is bounded, however it is cut into messages; over the
// bound nothing is written.
func TestImport_IsBoundedAsAWhole(t *testing.T) {
	l, _ := configuration(t)
	if c := NewConfiguration(l.m.View, l); c.limits != (importLimits{1_000_000, 256 << 20, 30 * time.Second}) || cap(c.importing) != 1 {
		t.Errorf("%+v", c.limits)
	}
	var ms []*configpb.Mutation
	size := 0
	for i := range 1500 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i)))
	}
	for chunk := range slices.Chunk(ms, 700) {
		size += proto.Size(&configpb.ImportRequest{Mutations: chunk})
	}
	for _, x := range []struct {
		limits importLimits
		fits   bool
	}{
		{importLimits{1500, size, time.Minute}, true}, {importLimits{1499, size, time.Minute}, false}, {importLimits{1500, size - 1, time.Minute}, false},
	} {
		l.entries = nil
		s := NewConfiguration(l.m.View, l)
		s.limits = x.limits
		conn := serve(t, func(r grpc.ServiceRegistrar) { configpb.RegisterConfigurationServer(r, s) })
		_, err := imported(t, configpb.NewConfigurationClient(conn), ms)
		if x.fits && err != nil {
			t.Errorf("%+v: %v", x.limits, err)
		}
		if !x.fits && (status.Code(err) != codes.ResourceExhausted || len(l.entries) != 0 || !strings.Contains(err.Error(), fmt.Sprint(x.limits.mutations)) ||
			!strings.Contains(err.Error(), fmt.Sprint(x.limits.bytes))) {
			t.Errorf("%+v: %v, %d entries", x.limits, err, len(l.entries))
		}
	}
}

// No entry of an import is over the bounds of one, also when its objects are large.
func TestImport_EntriesAreBoundedInBytes(t *testing.T) {
	l, c := configuration(t)
	var ms []*configpb.Mutation
	var groups []string
	for i := range 32 {
		groups = append(groups, fmt.Sprintf("%02d%s", i, strings.Repeat("g", 62)))
		ms = append(ms, putGroup(groups[i]))
	}
	for i := range 600 {
		ms = append(ms, putPhone(fmt.Sprint(1000+i), groups...))
	}
	p, err := imported(t, c, ms) // the plane refuses greater ones
	if err != nil || p[len(p)-1].GetWritten() != 632 || len(l.entries) < 3 {
		t.Fatal(l.entries, err)
	}
}

// A source can't keep all others out.
func TestPlaces_OfOneSourceAreHalfOfAll(t *testing.T) {
	p := newPlaces("watches", 4)
	from := func(ip string) context.Context {
		return grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
	}
	var leave func()
	for range 2 {
		var err error
		if leave, err = p.take(from("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.take(from("192.0.2.1")); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "of your address") {
		t.Error(err)
	}
	for range 2 {
		if _, err := p.take(from("192.0.2.2")); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.take(from("192.0.2.3")); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
	leave()
	if _, err := p.take(from("192.0.2.3")); err != nil {
		t.Error(err)
	}
}

func TestWatch_OnlySoManyAreOpen(t *testing.T) {
	table := dn.New(dn.Config{Self: selfID, Incarnation: 7})
	view := roster(t)
	service := NewAvailability(AvailabilityConfig{Table: table, View: func() *fsm.View { return view }, Heartbeat: time.Millisecond, Watches: 4})
	if n := NewAvailability(AvailabilityConfig{}).watches.all; n != 4096 {
		t.Errorf("%d watches by default", n)
	}
	conn := serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterAvailabilityServer(r, service) })
	s := &site{table: table, view: view, client: tcpb.NewAvailabilityClient(conn)}
	first, second := s.watch(t, &tcpb.WatchRequest{}), s.watch(t, &tcpb.WatchRequest{})
	first.wants("started sip1 resumed=false")
	second.wants("started sip1 resumed=false")
	third := s.watch(t, &tcpb.WatchRequest{})
	if _, err := third.stream.Recv(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "2 watches") {
		t.Fatal(err)
	}
	bad := s.watch(t, &tcpb.WatchRequest{})
	if _, err := bad.stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	first.cancel()
	for { // until the first one's place is free
		again := s.watch(t, &tcpb.WatchRequest{})
		_, err := again.stream.Recv()
		if err == nil {
			return
		}
		if status.Code(err) != codes.ResourceExhausted {
			t.Fatal(err)
		}
	}
}

// Every error of the packages below has its gRPC code, wrapped or not.
func TestStatusError_HasACodeForEverySentinel(t *testing.T) {
	for err, code := range map[error]codes.Code{
		fsm.ErrInvalid: codes.InvalidArgument, fsm.ErrNotFound: codes.NotFound, fsm.ErrRevision: codes.FailedPrecondition, fsm.ErrConflict: codes.FailedPrecondition,
		fsm.ErrVersion: codes.FailedPrecondition, fsm.ErrNameTaken: codes.AlreadyExists, fsm.ErrOtherCluster: codes.PermissionDenied, fsm.ErrFailed: codes.Unavailable,
		fsm.ErrNoQuorum: codes.Unavailable, fsm.ErrUnknownOutcome: codes.Unavailable, fsm.ErrPlaneFailed: codes.Unavailable, dn.ErrNumber: codes.InvalidArgument,
	} {
		for _, e := range []error{err, fmt.Errorf("writing: %w", err)} {
			if got := status.Convert(StatusError(e)); got.Code() != code || got.Message() != e.Error() {
				t.Errorf("%v: %v, want %v", e, got, code)
			}
		}
		rejected := fmt.Errorf("%w: %w", fsm.ErrRejected, &fsm.Rejection{Mutation: 1, Kind: err, Text: "why"})
		if got := status.Convert(StatusError(rejected)); got.Code() != code || !errors.Is(err, fsm.ErrUnknownOutcome) && !errors.Is(err, fsm.ErrFailed) && got.Message() != "why" {
			t.Errorf("rejected: %v", got)
		}
	}
	lost := fmt.Errorf("%w: %w", fsm.ErrUnknownOutcome, fsm.ErrInvalid)
	if got := status.Code(StatusError(lost)); got != codes.Unavailable {
		t.Errorf("an unknown outcome counts first: %v", got)
	}
	if got := status.Code(StatusError(errors.New("x"))); got != codes.Internal {
		t.Error(got)
	}
}
