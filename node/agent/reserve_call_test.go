package agent

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// A call does not wait until requests were collected, and takes the place of
// the reservation of the router that sent it.
func TestReserve_ForACallThatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newNode(t, "a", twoNodes(t))
		k.table.Register("1001", dn.Registered)
		agents, began := k.agents, time.Now()
		reserve := func(r Reservation) tlibpb.ErrorCode {
			err := agents.Reserve(t.Context(), "1001", r)
			if e := (*refusal.Error)(nil); errors.As(err, &e) {
				return e.Code
			} else if err != nil {
				t.Error(err)
			}
			return 0
		}
		if code := reserve(Reservation{Holder: "call", Duration: time.Minute, AtOnce: true}); code != 0 || time.Since(began) != 0 {
			t.Errorf("%v after %v", code, time.Since(began))
		}
		if code := reserve(Reservation{Holder: "other", Duration: time.Minute, AtOnce: true}); code != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("a second call: %v", code)
		}
		if code := reserve(Reservation{Holder: "other", Duration: time.Minute, AtOnce: true, InsteadOf: "call"}); code != 0 {
			t.Errorf("in its place: %v", code)
		}
		if code := reserve(Reservation{Holder: "call"}); code != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("taken back by who has it no more: %v", code)
		}
		if code := reserve(Reservation{Holder: "other"}); code != 0 {
			t.Errorf("taken back: %v", code)
		}
	})
}
