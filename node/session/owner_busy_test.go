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
	for _, want := range []bool{true, true, false, false} {
		if o.control.cfg.Owner.Busy("1001", want); busy("1001") != want {
			t.Errorf("busy: %v, want %v", !want, want)
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
