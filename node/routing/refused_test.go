package routing

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// lateNode is a peer that hears late of the end of a call: it reserves nothing before.
type lateNode struct {
	grpc.ClientConnInterface
	hears time.Time
}

// Invoke is any request for a reservation.
func (l *lateNode) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	if answer, ok := reply.(*peerpb.ReserveResponse); ok && time.Now().Before(l.hears) {
		answer.ErrorCode, answer.ErrorMessage = uint32(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED), "DN 1003 is busy"
	}
	return nil
}

// TestRefused_ACallLooksAgainSoon when the node of an agent who is free here does not know
// that yet: nobody tells this node anything more.
func TestRefused_ACallLooksAgainSoon(t *testing.T) {
	c := &timed{script: &script{called: "9001", origin: trunk}}
	atRoutingPoint(t, c, func(x *exchange) {
		late := &lateNode{hears: time.Now().Add(100 * time.Millisecond)}
		x.dial = func() grpc.ClientConnInterface { return late }
		c.answers = map[string]invite.Outcome{"1003 at b": overAtOnce()}
		x.says(lease("1003"))
	})
	if len(c.at) != 1 || c.at[0] < 100*time.Millisecond || c.at[0] > time.Second {
		t.Errorf("sent after %v, to %q", c.at, c.tries)
	}
}
