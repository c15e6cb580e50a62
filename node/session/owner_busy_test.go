package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

func TestBusy_DNIsNotRoutableWhileACallIsThere(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	o.says(lease("1002"))
	busy := func(n dn.Number) bool { st, _ := o.table.Get(n); return st.Busy || !st.Routable(false) }
	for i, c := range []struct{ more, want bool }{{true, true}, {true, true}, {false, true}, {false, false}, {false, false}, {true, true}, {false, false}} {
		o.control.cfg.Owner.Busy("1001", c.more)
		o.await(fmt.Sprintf("%d: busy %v", i, c.want), func() bool { return busy("1001") == c.want })
	}
	o.control.cfg.Owner.Busy("1002", true)
	o.control.cfg.Owner.Busy("1001", true)
	o.await("busy", func() bool { return busy("1001") })
	if busy("1002") {
		t.Error("another node's DN is busy by our word")
	}
	if o.table.Register("1001", dn.Registered); !busy("1001") {
		t.Error("a refresh ended the call")
	}
}

func TestBusy_WhoReservesSeesACallAtOnce(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	owner := o.control.cfg.Owner
	owner.Busy("1001", true)
	err := owner.Reserve(t.Context(), "1001", Request{Holder: "x", Duration: time.Second, AtOnce: true})
	if codeOf(t, err) != tlibpb.ErrorCode_RESOURCE_SEIZED {
		t.Error(err)
	}
}
