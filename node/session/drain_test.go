package session

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Who has DNs here hears of a drain, once; who only watches does not.
func TestDrain_IsToldToThoseWhoHaveDNs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		gateway, watcher := o.connect(TCport, nil), o.connect(TCport, nil)
		gateway.ask(registerAddress("2001", shared))
		watcher.ask(registerAddress("2001", watched))
		synctest.Wait()
		gateway.heard()
		watcher.heard()
		until := time.Now().Add(time.Minute)
		o.write(drainingNode(until))
		var e *tlibpb.Event
		gateway.wait("word of the drain", func(x *tlibpb.Event) bool {
			e = x
			return x.GetMessage() == tlibpb.Message_MESSAGE_EVENT_NODE_DRAINING
		})
		if !e.GetNodeDraining().GetUntil().AsTime().Equal(until.Truncate(time.Millisecond)) || !slices.Equal(e.GetServer().GetDraining(), []string{"n1"}) || e.GetThisDn() != "" {
			t.Error(e)
		}
		o.write(drainingNode(until.Add(time.Minute)))
		synctest.Wait()
		gateway.hears("EVENT_NODE_DRAINING draining")
		back := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: gateway.link.GetLinkConnected().GetSessionToken()})
		synctest.Wait()
		back.hears("EVENT_LINK_CONNECTED resumed", "EVENT_NODE_DRAINING draining", "EVENT_DN_BACK_IN_SERVICE 2001 n1 registered row", "END_OF_SNAPSHOT")
		o.write(nodeOf("a", "n1", "dc1"))
		synctest.Wait()
		back.hears("EVENT_NODE_DRAINING undone")
		if got := watcher.heard(); len(got) > 0 {
			t.Errorf("who only watches heard %q", got)
		}
	})
}

// A gateway's DNs stay in service while the node drains, move when they are
// registered elsewhere, and go out of service at the deadline; when the drain is undone, what
// is still registered is back, and what moved stays where it is.
func TestDrain_KeepsAGatewaysDNs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2001", shared))
		w.ask(registerAddress("2002", private))
		synctest.Wait()
		w.heard()
		o.write(drainingNode(time.Now().Add(time.Minute)))
		<-time.After(59 * time.Second)
		synctest.Wait()
		w.hears("EVENT_NODE_DRAINING draining")
		<-time.After(2 * time.Second)
		w.awaits("EVENT_DN_OUT_OF_SERVICE 2002  admin")
		synctest.Wait()
		for _, n := range []dn.Number{"2001", "2002"} {
			if st, _ := o.table.Get(n); st.State != dn.OOS || st.Reason != dn.Admin {
				t.Errorf("at the deadline %+v", st)
			}
		}
		own, _ := o.table.Own("2002")
		o.says(dn.Record{Number: "2002", ClaimTime: own.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered})
		o.write(nodeOf("a", "n1", "dc1"))
		w.awaits("EVENT_NODE_DRAINING undone")
		synctest.Wait()
		for n, owner := range map[dn.Number]dn.Node{"2001": "a", "2002": "b"} {
			if st, _ := o.table.Get(n); st.State != dn.InSrv || st.Owner != owner {
				t.Errorf("undone: %+v, want it at %s", st, owner)
			}
		}
	})
}
