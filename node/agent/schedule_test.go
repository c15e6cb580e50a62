package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestSchedule_BusyIsSaidAtOnceAndThenGathered for 20 ms.
func TestSchedule_BusyIsSaidAtOnceAndThenGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newNode(t, "a", twoNodes(t))
		for _, n := range []dn.Number{"1001", "1002", "1003"} {
			k.table.Register(n, dn.Registered)
		}
		synctest.Wait()
		<-time.After(time.Second)
		for _, x := range []struct {
			n     dn.Number
			after time.Duration
			want  bool
		}{{"1001", 0, true}, {"1002", 19 * time.Millisecond, false}, {"1002", time.Millisecond, true}, {"1003", 20 * time.Millisecond, true}} {
			if x.after != time.Millisecond {
				k.agents.Busy(x.n, true)
			}
			<-time.After(x.after)
			synctest.Wait()
			if st, _ := k.table.Get(x.n); st.Busy != x.want {
				t.Errorf("%s is busy %v after %v", x.n, st.Busy, x.after)
			}
		}
	})
}

// TestSchedule_AReservationEndsToTheMillisecond: nobody has it before.
func TestSchedule_AReservationEndsToTheMillisecond(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		if err := patience.Receive(t, "the answer to the reservation", a.ask(t, Reservation{Holder: "r1", Duration: 1500 * time.Millisecond, AtOnce: true})[0]); err != nil {
			t.Fatal(err)
		}
		<-time.After(1500*time.Millisecond - 1)
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Second, AtOnce: true}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("too early: %v", err)
		}
		<-time.After(time.Millisecond + 1)
		synctest.Wait()
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Second, AtOnce: true}); err != nil {
			t.Errorf("too late: %v", err)
		}
	})
}
