package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

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
