package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// A call does not wait until requests were collected, and takes the place of
// the reservation of the router that sent it.
func TestReserve_ForACallThatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.table.Register("1001", dn.Registered)
		owner, began := o.control.cfg.Owner, time.Now()
		reserve := func(r Request) tlibpb.ErrorCode {
			err := owner.Reserve(t.Context(), "1001", r)
			if e := (*Error)(nil); errors.As(err, &e) {
				return e.Code
			} else if err != nil {
				t.Error(err)
			}
			return 0
		}
		if code := reserve(Request{Holder: "call", Duration: time.Minute, AtOnce: true}); code != 0 || time.Since(began) != 0 {
			t.Errorf("%v after %v", code, time.Since(began))
		}
		if code := reserve(Request{Holder: "other", Duration: time.Minute, AtOnce: true}); code != tlibpb.ErrorCode_RESOURCE_SEIZED {
			t.Errorf("a second call: %v", code)
		}
		if code := reserve(Request{Holder: "other", Duration: time.Minute, AtOnce: true, InsteadOf: "call"}); code != 0 {
			t.Errorf("in its place: %v", code)
		}
		if code := reserve(Request{Holder: "call"}); code != tlibpb.ErrorCode_RESOURCE_SEIZED {
			t.Errorf("taken back by who has it no more: %v", code)
		}
		if code := reserve(Request{Holder: "other"}); code != 0 {
			t.Errorf("taken back: %v", code)
		}
	})
}
