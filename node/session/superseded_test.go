package session

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// registeredElsewhere is the word of n2 that a client has registered the DN there, later.
func registeredElsewhere(n dn.Number, private bool) dn.Record {
	r := lease(n)
	r.Way = dn.DeskWay(private)
	return r
}

// Of registrations at two nodes the later one counts when one of them is private.
func TestPrivate_HoldsInTheWholeCluster(t *testing.T) {
	for _, c := range []struct {
		here    tlibpb.AddressMode
		private bool // there
		ends    bool
	}{
		{shared, false, false}, {shared, true, true}, {private, false, true}, {private, true, true}, {watched, true, false},
	} {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2001", c.here))
		w.heard()
		o.says(registeredElsewhere("2001", c.private))
		if c.ends {
			w.wait("EventUnregistered", func(e *tlibpb.Event) bool {
				if e.GetUnregistered() != nil && (!e.GetUnregistered().GetSuperseded() || e.GetThisDn() != "2001" || e.GetOwner() != "n2") {
					t.Errorf("told %v", e)
				}
				return e.GetUnregistered() != nil
			})
			w.says("EVENT_ERROR 2001 NOT_REGISTERED", agentLogin("2001", "7"))
			if text := w.ask(agentLogin("2001", "7")).GetError().GetText(); !strings.Contains(text, "DN 2001 was registered at node n2 since") {
				t.Errorf("here %v, there private: %v: refused with %q", c.here, c.private, text)
			}
			w.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", c.here))
			if st, _ := o.table.Get("2001"); st.Owner != "a" || st.Private != (c.here == private) {
				t.Errorf("here %v: the DN is back as %+v", c.here, st)
			}
			w.says("EVENT_AGENT_LOGIN 2001", agentLogin("2001", "7"))
			continue
		}
		if c.here == watched {
			w.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n2 registered")
			continue
		}
		w.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n2 owner-moved")
		if !o.control.addresses.holds(o.only(), "2001") {
			t.Errorf("here %v, there private: %v: the registration ended", c.here, c.private)
		}
	}
}

// only is what the one client has registered.
func (o *office) only() *registrations {
	o.control.addresses.mu.Lock()
	defer o.control.addresses.mu.Unlock()
	for _, r := range o.control.addresses.byToken {
		return r
	}
	return nil
}

// A shared registration that stays beside another node's ends with a private one.
func TestPrivate_EndsSharedOnesThatLostTheDNBefore(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", shared))
	o.says(registeredElsewhere("2001", false))
	w.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n2 owner-moved")
	o.says(registeredElsewhere("2001", true))
	w.awaits("EVENT_UNREGISTERED 2001")
}

// An earlier claim, known late, ends nothing.
func TestPrivate_AnEarlierOneEndsNothing(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", private))
	w.ask(registerAddress("2002", private))
	before := registeredElsewhere("2001", true)
	before.ClaimTime = 5
	o.says(before, registeredElsewhere("2002", true))
	w.awaits("EVENT_UNREGISTERED 2002")
	w.says("EVENT_AGENT_LOGIN 2001", agentLogin("2001", "7"))
	o.control.addresses.supersede("2001") // of a registration that the DN was taken back from since
	w.says("EVENT_AGENT_LOGIN 2001", agentLogin("2001", "7"))
}

// A desktop that is away for a moment hears of it when it is back.
func TestPrivate_IsToldWhenTheSessionIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		defer synctest.Wait()
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		w := o.connect(TCport, nil)
		w.ask(registerAddress("2001", private))
		w.hangUp()
		synctest.Wait()
		o.says(registeredElsewhere("2001", true))
		synctest.Wait()
		back := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken()})
		back.awaits("EVENT_UNREGISTERED 2001")
		back.says("EVENT_ERROR 2001 NOT_REGISTERED", agentLogin("2001", "7"))
	})
}
