package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// noted is a way to another node that keeps what is sent there.
type noted struct {
	sent   proto.Message
	within time.Duration
}

func (n *noted) Invoke(ctx context.Context, _ string, req, _ any, _ ...grpc.CallOption) error {
	due, _ := ctx.Deadline()
	n.sent, n.within = proto.Clone(req.(proto.Message)), time.Until(due)
	return nil
}

func (*noted) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

// All of a request is passed on to the DN's owner, which gets the time that it
// needs: that for which it collects requests, too.
func TestPassedOn_WholeAndWithTime(t *testing.T) {
	const collect = 2 * time.Second
	for name, tc := range map[string]struct {
		ask    func(*node) error
		within time.Duration
	}{
		"Reserve": {func(k *node) error {
			return k.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r", Duration: time.Minute, Priority: 3, AtOnce: true, InsteadOf: "s"})
		}, collect + AnswerTimeout},
		"SetAgent": {func(k *node) error {
			_, err := k.agents.SetAgent(t.Context(), "1000", Change{Request: login, AgentID: "7", Mode: 3, Point: "9000", Reasons: []dn.KeyValue{{Key: "k", Value: "v"}}})
			return err
		}, AnswerTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			view := twoNodes(t, collectFor(uint32(collect.Milliseconds())))
			a, b := newNode(t, "a", view), newNode(t, "b", view)
			a.follow(t, b)
			b.table.Register("1000", dn.Registered)
			a.sees(t, "1000", "b")
			way := &noted{}
			a.dials["b"] = func() (grpc.ClientConnInterface, error) { return way, nil }
			_ = tc.ask(a) // nobody answers it
			if way.sent == nil {
				t.Fatal("nothing was passed on")
			}
			m := way.sent.ProtoReflect()
			for i := range m.Descriptor().Fields().Len() {
				if f := m.Descriptor().Fields().Get(i); !m.Has(f) {
					t.Errorf("%s is not passed on: %v", f.Name(), way.sent)
				}
			}
			if way.within > tc.within || way.within < tc.within-time.Second {
				t.Errorf("the owner gets %v, want %v", way.within, tc.within)
			}
		})
	}
}

// The priority decides at the owner, wherever one asked.
func TestPassedOn_ThePriorityCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, twoNodes(t, collectFor(2000)))
		b.table.Register("1000", dn.Registered)
		a.sees(t, "1000", "b")
		got := map[string]chan error{}
		for _, r := range []struct {
			at *node
			Reservation
		}{{b, Reservation{Holder: "first", Priority: 3}}, {a, Reservation{Holder: "higher", Priority: 5}}, {a, Reservation{Holder: "lower", Priority: 1}}} {
			out := make(chan error, 1)
			got[r.Holder] = out
			r.Duration = time.Minute
			go func() { out <- r.at.agents.Reserve(t.Context(), "1000", r.Reservation) }()
			synctest.Wait()
		}
		for holder, out := range got {
			if err := patience.Receive(t, "the answer to "+holder, out); (err == nil) != (holder == "higher") {
				t.Errorf("%s got %v", holder, err)
			}
		}
	})
}

// What could not be stored is stored later, unless something newer was said
// of the DN: that it has nobody any more, too.
func TestStore_WhatIsTakenBackIsOlder(t *testing.T) {
	dir := t.TempDir()
	s, _ := storeIn(t, dir)
	for _, n := range []dn.Number{"1", "2", "3"} {
		s.put(record(n, 5, 1, "old"))
	}
	s.mu.Lock()
	failed := s.dirty
	s.dirty = map[dn.Number][]byte{}
	s.mu.Unlock()
	s.put(record("1", 5, 2, "new"))
	s.drop("2")
	s.takeBack(failed)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, _ = storeIn(t, dir)
	stored := map[dn.Number]string{}
	for _, r := range s.restored() {
		stored[r.Number] = r.Agent.ID
	}
	if len(stored) != 2 || stored["1"] != "new" || stored["3"] != "old" {
		t.Errorf("stored %v", stored)
	}
}
