package node

import (
	"context"
	"errors"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// hearsOf waits for the news that a registration of the client has ended.
func hearsOf(t *testing.T, c *tlib.Client, dn, owner string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for the end of the registration of %s: %v", dn, err)
		}
		if e.GetUnregistered().GetSuperseded() {
			if e.GetThisDn() != dn || e.GetOwner() != owner {
				t.Errorf("told %v", e)
			}
			return
		}
	}
}

// The later one of two registrations of a phone's DN, at two nodes, holds when one of them is
// private, wherever the phone is registered: the other client is told and may not act on the
// DN, until it registers it again.
func TestDesk_ThePrivateRegistrationOfAPhonesDNHoldsAtAllNodes(t *testing.T) {
	const shared, private = tlibpb.AddressMode_ADDRESS_MODE_SHARED, tlibpb.AddressMode_ADDRESS_MODE_PRIVATE
	a, b := twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"))
	b.phone(t, "1001")
	a.says(t, "1001", "IN_SRV n2@site-n2")
	one, two := opened(t, a.cfg.TCAddr), opened(t, b.cfg.TCAddr)
	for _, c := range []struct{ first, then tlibpb.AddressMode }{{private, private}, {shared, private}, {private, shared}} {
		register := func(w *tlib.Client, mode tlibpb.AddressMode) {
			t.Helper()
			if _, err := w.RegisterAddress(t.Context(), "1001", mode); err != nil {
				t.Fatal(err)
			}
		}
		register(one, c.first)
		register(two, c.then)
		hearsOf(t, one, "1001", "n2")
		var refused *tlib.Error
		if _, err := one.AgentLogin(t.Context(), "1001", "7", 0, nil); !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_NOT_REGISTERED {
			t.Errorf("%v, then %v: who lost the DN logs in: %v", c.first, c.then, err)
		}
		register(one, private)
		hearsOf(t, two, "1001", "n1")
		if _, err := one.AgentLogin(t.Context(), "1001", "7", 0, nil); err != nil {
			t.Errorf("%v, then %v, and back: %v", c.first, c.then, err)
		}
		if _, err := one.UnregisterAddress(t.Context(), "1001"); err != nil {
			t.Fatal(err)
		}
	}
}
