package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

func TestBusy_DNIsNotRoutableWhileACallIsThere(t *testing.T) {
	a, b := pair(t, twoNodes(t))
	a.table.Register("1001", dn.Registered)
	b.table.Register("1002", dn.Registered)
	a.sees(t, "1002", "b")
	busy := func(n dn.Number) bool { st, _ := a.table.Get(n); return st.Busy || !st.Routable(false) }
	for i, c := range []struct{ more, want bool }{{true, true}, {true, true}, {false, true}, {false, false}, {false, false}, {true, true}, {false, false}} {
		a.agents.Busy("1001", c.more)
		waitFor(t, fmt.Sprintf("%d: busy %v", i, c.want), func() bool { return busy("1001") == c.want })
	}
	a.agents.Busy("1002", true)
	a.agents.Busy("1001", true)
	waitFor(t, "busy", func() bool { return busy("1001") })
	if busy("1002") {
		t.Error("another node's DN is busy by our word")
	}
	if a.table.Register("1001", dn.Registered); !busy("1001") {
		t.Error("a refresh ended the call")
	}
}

func TestBusy_WhoReservesSeesACallAtOnce(t *testing.T) {
	k := newNode(t, "a", twoNodes(t))
	k.table.Register("1001", dn.Registered)
	k.agents.Busy("1001", true)
	err := k.agents.Reserve(t.Context(), "1001", Reservation{Holder: "x", Duration: time.Second, AtOnce: true})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
		t.Error(err)
	}
}
