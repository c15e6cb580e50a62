package session

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestRegister_WhoExcludesWhom: which mode of a second client a first one allows.
func TestRegister_WhoExcludesWhom(t *testing.T) {
	for _, c := range []struct {
		first, second tlibpb.AddressMode
		want          string
	}{
		{shared, shared, "EVENT_REGISTERED 2001 InSrv"},
		{shared, private, "EVENT_ERROR 2001 RESOURCE_SEIZED"},
		{shared, watched, "EVENT_REGISTERED 2001 InSrv"},
		{private, shared, "EVENT_ERROR 2001 RESOURCE_SEIZED"},
		{private, private, "EVENT_ERROR 2001 RESOURCE_SEIZED"},
		{private, watched, "EVENT_REGISTERED 2001 InSrv"},
		{watched, shared, "EVENT_REGISTERED 2001 InSrv"},
		{watched, private, "EVENT_REGISTERED 2001 InSrv"},
		{watched, watched, "EVENT_REGISTERED 2001 OOS"},
		{0, shared, "EVENT_REGISTERED 2001 InSrv"}, // nothing said is shared
		{0, private, "EVENT_ERROR 2001 RESOURCE_SEIZED"},
	} {
		o := newOffice(t)
		a, b := o.connect(TCport, nil), o.connect(TCport, nil)
		a.ask(registerAddress("2001", c.first))
		b.heard()
		b.says(c.want, registerAddress("2001", c.second))
	}
}

func TestRegister_AgainInAnotherMode(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	for _, c := range []struct {
		mode tlibpb.AddressMode
		want string
	}{{private, "InSrv"}, {shared, "InSrv"}, {private, "InSrv"}, {watched, "OOS"}, {private, "InSrv"}} {
		if got := w.ask(registerAddress("2001", c.mode)).GetStatus().GetState().Word(); got != c.want {
			t.Errorf("as %v: %q, want %q", c.mode, got, c.want)
		}
	}
	w.ask(unregisterAddress("2001"))
	w.heard()
	w.says("EVENT_UNREGISTERED 2001", unregisterAddress("2001"))
	if s := o.control.Stats(); s.Addresses != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAgent_OnlyWhoHoldsTheDNMayAsk: neither who monitors it nor anybody else.
func TestAgent_OnlyWhoHoldsTheDNMayAsk(t *testing.T) {
	o := newOffice(t)
	holder, watcher, stranger := o.connect(TCport, nil), o.connect(TCport, nil), o.connect(TCport, nil)
	holder.ask(registerAddress("2001", private))
	watcher.ask(registerAddress("2001", watched))
	watcher.awaits("EVENT_REGISTERED 2001 InSrv")
	stranger.heard()
	for _, m := range []*tlibpb.ClientMessage{agentLogin("2001", "7"), agentReady("2001"), agentNotReady("2001"), {Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "2001"}}}} {
		for _, w := range []*wire{watcher, stranger} {
			w.says("EVENT_ERROR 2001 NOT_REGISTERED", m)
		}
	}
	holder.says("EVENT_AGENT_LOGIN 2001", agentLogin("2001", "7"))
}

func TestAgent_WorkModesThatAre(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", private))
	w.ask(agentLogin("2001", "7"))
	for mode := tlibpb.AgentWorkMode(-1); mode <= tlibpb.AgentWorkMode(dn.WorkModes); mode++ {
		e := w.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: "2001", WorkMode: mode}}})
		if is := mode >= 0 && mode < tlibpb.AgentWorkMode(dn.WorkModes); (e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_AGENT_READY) != is || is && e.GetAgent().GetWorkMode() != mode || !is && e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE {
			t.Errorf("mode %d: %v", mode, e)
		}
	}
}

// TestRegister_AChangeOfTheConfigurationMovesNothing: who only monitors takes no
// DN by it, and a claim is kept.
func TestRegister_AChangeOfTheConfigurationMovesNothing(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("1001", shared))
	w.ask(registerAddress("2001", watched))
	w.ask(registerAddress("2002", private))
	before, _ := o.table.Own("2002")
	regroup := func(n string) *configpb.Mutation {
		d := proto.CloneOf(o.machine.View().DN(n))
		d.Groups, d.Revision = []string{"sales"}, 0
		return putDN(d)
	}
	o.write(regroup("1001"), regroup("2001"), regroup("2002"), nodeOf("a", "n1", "dc7"))
	o.write(pstnDN("2003"))
	w.awaits("EVENT_DN_BACK_IN_SERVICE 2002 n1 registered")
	w.ask(registerAddress("2003", shared))
	o.write(deleteDN("2003")) // once that is told everything before has been looked at
	w.awaits("EVENT_DN_OUT_OF_SERVICE 2003  deleted")
	if after, _ := o.table.Own("2002"); after.ClaimTime != before.ClaimTime || after.State != dn.InSrv {
		t.Errorf("2002 was %+v, is %+v", before, after)
	}
	for _, n := range []dn.Number{"1001", "2001"} {
		if r, own := o.table.Own(n); own {
			t.Errorf("%s: %+v", n, r)
		}
	}
}

// TestRegister_ADeletedDNIsForgotten: what was out of service, while one whose
// phone is registered waits for the registrar.
func TestRegister_ADeletedDNIsForgotten(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", private))
	w.ask(unregisterAddress("2001"))
	o.table.Register("1001", dn.Registered)
	o.table.Register("2002", dn.Registered)
	o.table.End("2002", 0, dn.Unregistered)
	o.write(deleteDN("1001"), deleteDN("2001"))
	w.ask(monitorAll(nil))
	o.await("2001 to be forgotten", func() bool { st, known := o.table.Get("2001"); return !known || st.Reason == dn.Deleted })
	if r, own := o.table.Own("1001"); !own || r.State != dn.InSrv {
		t.Errorf("1001: %+v", r)
	}
}

// restores replaces the configuration by a snapshot of what it is after these
// mutations: nobody is told which objects changed.
func (o *office) restores(m ...*configpb.Mutation) {
	o.t.Helper()
	var snapshot bytes.Buffer
	v, err := o.machine.View().With(m)
	if err == nil {
		_, err = v.WriteTo(&snapshot)
	}
	if err == nil {
		err = o.machine.Restore(io.NopCloser(&snapshot))
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// TestRegister_FollowsASnapshotOfTheConfiguration: what is registered, and what
// this node says of DNs that are no more.
func TestRegister_FollowsASnapshotOfTheConfiguration(t *testing.T) {
	o := newOffice(t)
	w := o.connect(TCport, nil)
	o.table.Register("1001", dn.Registered)
	w.ask(registerAddress("2001", private))
	w.ask(registerAddress("2002", private))
	w.ask(registerAddress("9000", watched))
	w.awaits("EVENT_REGISTERED 9000 InSrv")
	gone := o.table.Register("2003", dn.Registered)
	o.table.End("2003", gone.ClaimTime, dn.DesktopLost)
	disabled := pstnDN("2001")
	disabled.GetPutDn().Disabled = true
	o.restores(disabled, deleteDN("2002"))
	o.await("2001 to be out of service", func() bool { st, _ := o.table.Get("2001"); return st.State == dn.OOS && st.Reason == dn.Admin })
	o.await("the DNs that are no more to be forgotten", func() bool {
		_, one := o.table.Own("2002")
		_, other := o.table.Own("2003")
		return !one && !other
	})
	o.restores(pstnDN("2001"), pstnDN("2002"))
	o.await("both to be in service again", func() bool {
		one, _ := o.table.Get("2001")
		other, _ := o.table.Get("2002")
		return one.State == dn.InSrv && other.State == dn.InSrv
	})
	if r, own := o.table.Own("1001"); !own || r.State != dn.InSrv {
		t.Errorf("1001, which is the registrar's: %+v", r)
	}
}

func TestRegister_ASessionHasSoManyDNsAtMost(t *testing.T) {
	o := newOffice(t)
	r := &registrations{dns: map[dn.Number]struct{}{}}
	for i := range MaxAddresses - 1 {
		r.dns[dn.Number(fmt.Sprint("x", i))] = struct{}{}
	}
	for _, c := range []struct {
		n    dn.Number
		code tlibpb.ErrorCode
	}{{"2001", 0}, {"2002", tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE}, {"2001", 0}} {
		err := o.control.addresses.register(r, c.n, shared)
		if (err == nil) != (c.code == 0) || err != nil && err.Code != c.code {
			t.Errorf("%s: %v", c.n, err)
		}
	}
}

// TestSession_EachGraceEndsByItself: and a session without DNs has none.
func TestSession_EachGraceEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		const desks = 6
		for i := range desks {
			n := dn.Number(fmt.Sprint(2010 + i))
			o.write(pstnDN(string(n)))
			w := o.connect(TCport, nil)
			w.ask(registerAddress(string(n), private))
			w.hangUp()
			<-time.After(4 * time.Second)
		}
		o.connect(TCport, nil).hangUp()
		synctest.Wait()
		if n := len(o.control.addresses.byToken); n != desks {
			t.Errorf("%d sessions are waited for, want %d", n, desks)
		}
		for i := range desks { // 24 s have passed since the first one
			<-time.After(4 * time.Second)
			synctest.Wait()
			out := 0
			for i := range desks {
				if st, _ := o.table.Get(dn.Number(fmt.Sprint(2010 + i))); st.State == dn.OOS {
					out++
				}
			}
			if out != i {
				t.Errorf("after %d s: %d DNs are out of service, want %d", 28+4*i, out, i)
			}
		}
	})
}

// TestSession_AnOpenOneMayBeSilent: only who never opened one is timed out.
func TestSession_AnOpenOneMayBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		<-time.After(10 * openTimeout)
		w.says("EVENT_SERVER_INFO", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
		if s := o.control.Stats(); s.Dropped != 0 || s.Sessions != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRun_EndsTheSessionsWithTheNode: those in grace too.
func TestRun_EndsTheSessionsWithTheNode(t *testing.T) {
	o := newOffice(t)
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 300}}})
	other := *o
	other.control = New(o.control.cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- other.control.Run(ctx) }()
	gone, w := other.connect(TCport, nil), other.connect(DefaultPort, nil)
	gone.ask(registerAddress("2001", private))
	gone.hangUp()
	_ = patience.Receive(t, "the end of the one that is gone", gone.ended)
	o.await("its grace", func() bool { return other.control.Stats().Sessions == 1 })
	cancel()
	if err := patience.Receive(t, "the end of the session", w.ended); status.Code(err) != codes.Unavailable {
		t.Errorf("the session ended with %v", err)
	}
	if err := patience.Receive(t, "the end of the Controller", ended); err == nil {
		t.Error("Run ended in good order")
	}
}

func TestStats_CountWhatHappened(t *testing.T) {
	o := newOffice(t)
	w, gone := o.connect(TCport, nil), o.connect(DefaultPort, nil)
	w.ask(registerAddress("2001", watched))
	w.ask(registerAddress("1001", watched))
	gone.ask(registerAddress("1001", watched))
	w.ask(registerAddress("none", shared))
	w.ask(query("2001"))
	if got, want := o.control.Stats(), (Stats{Sessions: 2, Addresses: 2, Requests: 7, Refused: 1, Events: 7}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	close(gone.closed)
	if err := patience.Receive(t, "the end of the session", gone.ended); err != nil {
		t.Error(err)
	}
	o.await("one session less", func() bool { return o.control.Stats().Sessions == 1 })
}

// TestSession_OneTooManyIsTurnedAway: and comes in when another one has left.
func TestSession_OneTooManyIsTurnedAway(t *testing.T) {
	o := newOffice(t)
	o.control.room = access.NewRoom(1, 1)
	w := o.connect(TCport, nil)
	if err := patience.Receive(t, "the end of the session", o.wire(TCport).ended); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
	w.hangUp()
	_ = patience.Receive(t, "the end of the session", w.ended)
	o.await("the place", func() bool { return o.control.Stats().Sessions == 0 })
	o.connect(TCport, nil)
}
