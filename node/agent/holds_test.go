package agent

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// However much a node's sessions and calls have reserved, each owner gets one message
// a second, and none when nothing is held or all is its own.
func TestHolds_OneMessageAnOwnerASecond(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		at := map[dn.Number]dn.Node{"1000": "a", "1001": "a", "1002": "a", "1003": "b", "1004": "c"}
		for n, owner := range at {
			w.move(n, owner)
		}
		sends := func(want int64) {
			t.Helper()
			before := w.renewals.Load()
			<-time.After(19500 * time.Millisecond) // 19 or 20 ticks, whenever it begins
			if got := w.renewals.Load() - before; got < want-2 || got > want {
				t.Errorf("%d messages in 19.5 s, want %d at most", got, want)
			}
		}
		holder := func(n dn.Number) string { return HolderAt("b", string(n)) }
		sends(0)
		for n := range at {
			if code := w.reserve(t, "b", n, Reservation{Holder: holder(n), Duration: time.Hour, AtOnce: true}); code != granted {
				t.Fatal(code)
			}
		}
		sends(40) // to a and to c
		w.everybodySees(t, "1002", true)
		w.nodes["b"].agents.Ended(holder("1004"))
		<-time.After(time.Second)
		w.everybodySees(t, "1004", false)
		sends(20)
		for n := range at {
			w.nodes["b"].agents.Ended(holder(n))
		}
		<-time.After(time.Second)
		sends(0)
		for n := range at {
			w.everybodySees(t, n, false)
		}
	})
}
