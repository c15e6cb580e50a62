package dn

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWrapUp_OfWhom(t *testing.T) {
	for what, c := range map[string]struct {
		a    *Agent
		at   int64
		want *Agent
	}{
		"who is ready":            {ready("7"), 9, &Agent{ID: "7", State: NotReady, Mode: AfterCallWork, Since: 9}},
		"nobody":                  {nil, 9, nil},
		"who has gone":            {&Agent{ID: "7", State: NotReady, Since: 1}, 9, nil},
		"who became ready behind": {&Agent{ID: "7", State: Ready, Since: 10}, 9, nil},
		"who never was":           {&Agent{ID: "7", State: LoggedIn, Since: 1}, 9, nil},
	} {
		if got := wrapUp(c.a, c.at); !got.Equal(c.want) {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

// Every node knows of it by itself; what the owner says then is no news, and what it says
// otherwise counts. The time that is left goes along when the DN moves.
func TestWrapUp_TheOwnersWordIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, other := New(Config{Self: "a", Incarnation: 1}), New(Config{Self: "b", Incarnation: 1})
		owner.Register("1", Registered)
		said := amended(t, owner, "1", func(r *Record) { r.Agent = ready("7") })
		c := copyOf(t, other, "a", 1, said)
		other.SetHeard("a", true)
		s := other.Tail()
		at := time.Now().UnixNano()
		other.WrapUp("1", at, 0) // where nobody has any
		other.WrapUp("1", at, time.Minute)
		if st, _ := other.Get("1"); st.Agent.State != NotReady || st.AgentUntil != at+int64(time.Minute) {
			t.Fatalf("before the owner's word: %+v until %d", st.Agent, st.AgentUntil)
		}
		<-time.After(10 * time.Millisecond)
		owner.WrapUp("1", at, time.Minute)
		word, _ := owner.Own("1")
		if _, err := c.Apply([]Record{word}, 2); err != nil {
			t.Fatal(err)
		}
		if told := drain(t, s); len(told) != 1 || told[0].What != AgentChange {
			t.Errorf("told %+v", told)
		}
		<-time.After(19 * time.Second)
		moved := other.Register("1", Registered)
		if left := time.Duration(moved.AgentLeft); left < 39*time.Second || left > 41*time.Second || moved.Agent.Mode != AfterCallWork {
			t.Errorf("after the move %v are left of %+v", left, moved.Agent)
		}
	})
}
