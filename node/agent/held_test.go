package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestHeld_ReservationsEndInEveryWay: by their time, by who has them, and by who
// went away before the answer.
func TestHeld_ReservationsEndInEveryWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newNode(t, "a", twoNodes(t))
		k.table.Register("1000", dn.Registered)
		for range 3 {
			if err := k.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r1", Duration: time.Minute}); err != nil {
				t.Fatal(err)
			}
			if k.agents.Held()["reservations"] != 1 {
				t.Error(k.agents.Held())
			}
			<-time.After(61 * time.Second)
			leftover.AtOnce(t, k.agents)
			if err := k.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Hour}); err != nil {
				t.Fatal(err)
			}
			if err := k.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2"}); err != nil {
				t.Fatal(err)
			}
			leftover.AtOnce(t, k.agents)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if err := k.agents.Reserve(ctx, "1000", Reservation{Holder: "r3", Duration: time.Hour}); err == nil {
				t.Error("the answer came at once")
			}
			cancel()
			leftover.None(t, time.Second, k.agents)
		}
	})
}

// Who left and won gives back what it won, and nothing that the same holder
// reserved since.
func TestHeld_OnlyThatReservationIsGivenBack(t *testing.T) {
	a := newNode(t, "a", twoNodes(t))
	a.table.Register("1000", dn.Registered)
	if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "h", Duration: time.Minute, AtOnce: true}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		holder string
		left   time.Duration
		want   bool
	}{{"h", 2 * time.Minute, true}, {"h", 30 * time.Second, true}, {"other", time.Minute, true}, {"h", time.Minute, false}} {
		r, _ := a.table.Own("1000")
		until := time.Now().Add(c.left - time.Minute + time.Duration(r.Reserved.Left))
		a.agents.giveBack("1000", c.holder, until)
		if st, _ := a.table.Get("1000"); st.Reserved != c.want {
			t.Errorf("%s's of %v was given back: reserved is %v", c.holder, c.left, st.Reserved)
		}
	}
}
