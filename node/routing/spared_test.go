package routing

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// Who did not take a call and says that he is ready is called by it again at once, when
// nobody else is there; one who says nothing, or what was so before, is left alone.
func TestSpared_WhoSaysReadyIsCalledAgain(t *testing.T) {
	for what, missed := range map[string]invite.Outcome{
		"did not answer": {Code: 408, Reason: "No Answer", NoAnswer: true},
		"refused":        {Code: 486, Reason: "Busy Here"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t)
				x.inState("1003", ready)
				in, over, caller := x.asks(t, map[string]invite.Outcome{"1003": missed})
				<-time.After(2 * lookAgain)
				synctest.Wait()
				if missed.NoAnswer == false {
					x.inState("1003", ready)
					synctest.Wait()
				}
				if !slices.Equal(in.tries, []string{"1003"}) {
					t.Fatalf("tried %q before he said that he is ready", in.tries)
				}
				x.inState("1003", notReady, ready)
				synctest.Wait()
				if !slices.Equal(in.tries, []string{"1003", "1003"}) {
					t.Errorf("tried %q", in.tries)
				}
				caller()
				<-over
			})
		})
	}
}

// A call that can't have the agent who is free leaves him to the one behind it, however
// many are between.
func TestSpared_TheNextCallHasHim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		refused := map[string]invite.Outcome{"1003": {Code: 486, Reason: "Busy Here"}}
		var ends []func()
		for range 3 { // refused by him, one after the other
			in, over, caller := x.asks(t, refused)
			synctest.Wait()
			if !slices.Equal(in.tries, []string{"1003"}) {
				t.Fatalf("tried %q", in.tries)
			}
			ends = append(ends, func() { caller(); <-over })
			<-time.After(time.Millisecond)
		}
		in, over, _ := x.asks(t, map[string]invite.Outcome{"1003": overAtOnce()})
		synctest.Wait()
		if !slices.Equal(in.tries, []string{"1003"}) {
			t.Errorf("the last one tried %q", in.tries)
		}
		for _, end := range ends {
			end()
		}
		<-over
	})
}
