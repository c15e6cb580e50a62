package api

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// vault is a configuration whose leader takes a step of a rotation whenever somebody is
// about to write.
type vault struct {
	NodeKeys
	steps int
	view  *fsm.View
	t     *testing.T
}

func (v *vault) NextAuthority() (*configpb.Authority, error) {
	return &configpb.Authority{Certificate: []byte("next"), SealedKey: []byte("key")}, nil
}
func (v *vault) Certificates(context.Context) []*configpb.NodeCertificate { return nil }

func (v *vault) write(m *configpb.Mutation) error {
	next, err := v.view.With([]*configpb.Mutation{m})
	if err == nil {
		v.view = next
	}
	return err
}

func (v *vault) Propose(_ context.Context, c *peerpb.Command) (uint64, error) {
	if v.steps > 0 {
		v.steps--
		s := proto.CloneOf(v.view.Security())
		s.Authorities[0].MadeMs++
		if err := v.write(&configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: s}}); err != nil {
			v.t.Fatal(err)
		}
	}
	return v.view.Index(), v.write(c.GetMutations()[0])
}

func (v *vault) ReadIndex(context.Context) error { return nil }

func (v *vault) NextKey(r *configpb.Keyring) *configpb.Key {
	return ringKey(uint32(len(r.GetKeys()) + 1))
}

func ringKey(id uint32) *configpb.Key {
	return &configpb.Key{Id: id, Secret: make([]byte, fsm.RingKey), MadeMs: uint64(id)}
}

// The leader takes steps of rotations by itself: who asks for one meanwhile has it made
// of what stands there then, and is not told of a revision.
func TestRotate_ReadsAgainWhatWasWrittenMeanwhile(t *testing.T) {
	authority := &configpb.Authority{Certificate: []byte("first"), SealedKey: []byte("key")}
	ring := &configpb.Keyring{Primary: 1, Keys: []*configpb.Key{ringKey(1)}}
	v := &vault{t: t, view: fsm.Empty()}
	err := v.write(&configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: &configpb.Security{
		Authorities: []*configpb.Authority{authority}, Gossip: ring, Routes: proto.CloneOf(ring),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	a := NewAccess(AccessConfig{View: func() *fsm.View { return v.view }, Writer: v, Nodes: v, Wait: func(context.Context, uint64) error { return nil }})
	v.steps = 2
	if _, err := a.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{}); err != nil {
		t.Fatal(err)
	}
	if s := v.view.Security(); v.steps != 0 || len(s.GetAuthorities()) != 2 || s.GetAuthorities()[0].GetMadeMs() != 2 {
		t.Errorf("after %d more steps: %v", v.steps, s)
	}
	v.steps = 1
	if _, err := a.RotateKeys(t.Context(), &configpb.RotateKeysRequest{}); err != nil || len(v.view.Security().GetRoutes().GetKeys()) != 2 || v.view.Security().GetAuthorities()[0].GetMadeMs() != 3 {
		t.Errorf("%v, %v", err, v.view.Security())
	}
	if _, err := a.RotateKeys(t.Context(), &configpb.RotateKeysRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a rotation while one goes on: %v", err)
	}
	v.steps = maxRewrites
	if _, err := a.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{Force: true}); status.Code(err) != codes.FailedPrecondition || v.steps != 0 {
		t.Errorf("somebody writes each time: %v", err)
	}
}
