package session

import (
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

func TestBusy_DNIsNotRoutableWhileACallIsThere(t *testing.T) {
	o := newOffice(t)
	o.table.Register("1001", dn.Registered)
	o.says(lease("1002"))
	busy := func(n dn.Number) bool { st, _ := o.table.Get(n); return st.Busy || !st.Routable(false) }
	for i, c := range []struct{ more, want bool }{{true, true}, {true, true}, {false, true}, {false, false}, {false, false}, {true, true}, {false, false}} {
		if o.control.cfg.Owner.Busy("1001", c.more); busy("1001") != c.want {
			t.Errorf("%d: busy: %v, want %v", i, !c.want, c.want)
		}
	}
	if o.control.cfg.Owner.Busy("1002", true); busy("1002") {
		t.Error("another node's DN is busy by our word")
	}
	o.control.cfg.Owner.Busy("1001", true)
	if o.table.Register("1001", dn.Registered); !busy("1001") {
		t.Error("a refresh ended the call")
	}
}
