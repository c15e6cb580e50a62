package api

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestHeld_AnImportGivesItsPlaceBack however it ends.
func TestHeld_AnImportGivesItsPlaceBack(t *testing.T) {
	phones := []*configpb.Mutation{putPhone("1001"), putPhone("1002")}
	for name, x := range map[string]struct {
		ms      []*configpb.Mutation
		arrange func(l *lone, limits *importLimits)
		holds   time.Duration // how long the client says nothing before it gives up
		ok      bool
	}{
		"written":          {ms: phones, ok: true},
		"empty":            {},
		"refused":          {ms: []*configpb.Mutation{deleteGroup("none")}},
		"too large":        {ms: phones, arrange: func(_ *lone, limits *importLimits) { limits.mutations = 1 }},
		"without a quorum": {ms: phones, arrange: func(l *lone, _ *importLimits) { l.fail = fsm.ErrNoQuorum }},
		"failed in the writing": {ms: phones, arrange: func(l *lone, _ *importLimits) {
			l.fail, l.after = fsm.ErrNoQuorum, len(l.entries)+1
			l.entries = append(l.entries, 0)
		}},
		"silent":               {ms: phones, arrange: func(_ *lone, limits *importLimits) { limits.silence = time.Millisecond }, holds: patience.Limit},
		"its client went":      {ms: phones, holds: 10 * time.Millisecond},
		"of no word at all":    {holds: 10 * time.Millisecond},
		"silent from begin on": {arrange: func(_ *lone, limits *importLimits) { limits.silence = time.Millisecond }, holds: patience.Limit},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := configuration(t)
			s := NewConfiguration(l.m.View, l)
			if x.arrange != nil {
				x.arrange(l, &s.limits)
			}
			client := configpb.NewConfigurationClient(serve(t, func(r grpc.ServiceRegistrar) { configpb.RegisterConfigurationServer(r, s) }))
			for range 2 { // the second one finds the place free
				if err := importing(t, client, x.ms, x.holds); (err == nil) != x.ok {
					t.Fatal(err)
				}
				patience.Until(t, "the place of the import is free", func() bool { return len(s.importing) == 0 })
			}
		})
	}
}

// importing sends the mutations, says nothing for a while when it holds, and
// returns how the import ended.
func importing(t *testing.T, c configpb.ConfigurationClient, ms []*configpb.Mutation, holds time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.Import(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if holds > 0 {
		defer time.AfterFunc(holds, cancel).Stop()
	}
	if ms != nil {
		_ = s.Send(&configpb.ImportRequest{Mutations: ms})
	}
	if holds == 0 {
		_ = s.CloseSend()
	}
	for written := uint64(0); ; {
		r, err := s.Recv()
		if err != nil {
			if written > 0 {
				return nil
			}
			return err
		}
		written = r.GetWritten()
	}
}

// TestHeld_AWatchGivesItsPlaceBack: one that is refused, one whose client goes,
// one whose client reads nothing and goes.
func TestHeld_AWatchGivesItsPlaceBack(t *testing.T) {
	table := dn.New(dn.Config{Self: selfID, Incarnation: 7})
	view := roster(t)
	service := NewAvailability(AvailabilityConfig{Table: table, View: func() *fsm.View { return view }, Heartbeat: time.Millisecond, Watches: 4})
	conn := serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterAvailabilityServer(r, service) })
	s := &site{table: table, view: view, client: tcpb.NewAvailabilityClient(conn)}
	for name, play := range map[string]func(*reader){
		"goes": func(r *reader) { r.wants("started sip1 resumed=false", "end of snapshot") },
		"reads nothing": func(*reader) {
			patience.Until(t, "the watch is open", func() bool { return service.watches.Taken() == 1 })
		},
	} {
		for range 3 { // one more than there may be
			r := s.watch(t, &tcpb.WatchRequest{})
			play(r)
			r.cancel()
			patience.Until(t, name+": the place of the watch is free", func() bool { return service.watches.Taken() == 0 && table.Held()["dn_readers"] == 0 })
		}
	}
	for range 3 {
		r := s.watch(t, &tcpb.WatchRequest{ResumeCursor: []byte("none")})
		if _, err := r.stream.Recv(); err == nil {
			t.Error("a bad cursor was taken")
		}
		patience.Until(t, "refused: the place of the watch is free", func() bool { return service.watches.Taken() == 0 })
	}
}
