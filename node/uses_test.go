package node

import (
	"context"
	"errors"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestUses_ClientsHearWhoBecomesBusyAndFree: the table, which is asked, can't know when.
func TestUses_ClientsHearWhoBecomesBusyAndFree(t *testing.T) {
	n := &Node{calls: call.New(call.Config{Self: "a", Incarnation: 1})}
	n.table = dn.New(dn.Config{Self: "a", Incarnation: 1, Busy: n.calls.Busy, Uses: n.calls.Uses})
	n.table.Register("1001", dn.Registered)
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.tellUses(ctx) }()
	told := n.table.Tail()
	var leg *call.Leg
	for _, busy := range []bool{true, false} {
		if busy {
			leg = n.calls.Carry("", "a", "1001")
		} else {
			leg.Dropped()
		}
		items, err := told.Next(ctx, nil)
		if err != nil {
			t.Fatalf("nobody hears that it is busy %v: %v", busy, err)
		}
		if s := items[0].Status; items[0].What != dn.UseChange || s.Busy != busy {
			t.Errorf("%+v, want busy %v", items[0], busy)
		}
	}
	cancel()
	if err := patience.Receive(t, "the end of the telling", ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
