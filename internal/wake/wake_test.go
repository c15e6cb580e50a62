package wake

import "testing"

// TestSignal_HoldsOneTokenOrNone: each receive finds at most one, however often
// it was sent, and a Send after the receive is not lost.
func TestSignal_HoldsOneTokenOrNone(t *testing.T) {
	s := New()
	for sends, want := range []int{0, 1, 1, 1} {
		for range sends {
			s.Send()
		}
		got := len(s)
		if got == 1 {
			<-s
		}
		if got != want {
			t.Errorf("%d sends left %d tokens, want %d", sends, got, want)
		}
	}
	Signal(nil).Send() // does not block
}
