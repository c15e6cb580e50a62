package makecall

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/sip/refer"
)

func TestMain(m *testing.M) { leftover.Main(m) }

// view has sip DNs 1001 to 1003, the last disabled, and pstn DN 2001.
func view(t *testing.T) func() *fsm.View {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	put := func(d *configpb.DN) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
	}
	sip := func(n string, disabled bool) *configpb.Mutation {
		return put(&configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "00000000000000000000000000000000", Disabled: disabled})
	}
	if r := m.ApplyCommand(&peerpb.Command{Version: fsm.Version, NewEpoch: "e", Mutations: []*configpb.Mutation{
		sip("1001", false), sip("1002", false), sip("1003", true),
		put(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}),
	}}); r.Err != nil {
		t.Fatal(r.Err)
	}
	v := m.View()
	return func() *fsm.View { return v }
}

// phone is one that is asked, and speaks as the test says.
type phone struct {
	desk  *Desk
	asked int
	heard func(refer.Word)
	err   error
}

func newPhone(v func() *fsm.View) *phone {
	p := &phone{}
	p.desk = New(Config{View: v, MayCall: func(_ dn.Number, number string) bool { return number != "+1900" },
		Refer: func(_ dn.Number, _ string, heard func(refer.Word)) error {
			p.asked, p.heard = p.asked+1, heard
			return p.err
		}})
	return p
}

// make makes a request beside the test, which hears the outcome.
func (p *phone) make(r Request) <-chan string {
	out := make(chan string, 1)
	go func() { out <- p.made(r) }()
	synctest.Wait()
	return out
}

func (p *phone) made(r Request) string {
	id, err := p.desk.Make(context.Background(), r)
	var e *refusal.Error
	if errors.As(err, &e) {
		return e.Code.String()[len("ERROR_CODE_"):]
	}
	return fmt.Sprint(id, err)
}

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

func dialled(from dn.Number, to string) *call.Call {
	return &call.Call{ID: "00000000000000aa", Info: &call.Info{Caller: from, DNIS: to}}
}

const made = "00000000000000aa<nil>"

func TestDesk_WhatThePhoneSaysIsTheAnswer(t *testing.T) {
	v := view(t)
	for _, c := range []struct {
		name string
		says func(*phone)
		want string
	}{
		{"the call comes before the answer", func(p *phone) { p.desk.Dials(dialled("1001", "1002")); p.heard(refer.Word{Code: 202}) }, made},
		{"its user agrees late", func(p *phone) {
			p.heard(refer.Word{Code: 202})
			pass(dials - time.Second)
			p.desk.Dials(dialled("1001", "1002"))
		}, made},
		{"trying is no call", func(p *phone) {
			p.heard(refer.Word{Code: 202})
			p.heard(refer.Word{Call: true, Code: 100})
			pass(Limit)
		}, "TIMEOUT"},
		{"it says nothing", func(*phone) { pass(answers) }, "TIMEOUT"},
		{"another number", func(p *phone) { p.desk.Dials(dialled("1001", "1009")); pass(answers) }, "TIMEOUT"},
		{"another phone", func(p *phone) { p.desk.Dials(dialled("1002", "1002")); pass(answers) }, "TIMEOUT"},
		{"405", func(p *phone) { p.heard(refer.Word{Code: 405}) }, "UNSUPPORTED_OPERATION"},
		{"603", func(p *phone) { p.heard(refer.Word{Code: 603}) }, "UNSUPPORTED_OPERATION"},
		{"480", func(p *phone) { p.heard(refer.Word{Code: 480}) }, "OUT_OF_SERVICE"},
		{"it makes none", func(p *phone) { p.heard(refer.Word{Code: 202}); p.heard(refer.Word{Call: true, Code: 603}) }, "UNSUPPORTED_OPERATION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPhone(v)
				out := p.make(Request{DN: "1001", Number: "1002"})
				c.says(p)
				if got := <-out; got != c.want {
					t.Errorf("answered %s, want %s", got, c.want)
				}
				if p.desk.Held()["makecall_open"] != 0 {
					t.Error("it is open still")
				}
			})
		})
	}
}

func TestDesk_RefusesWithoutAskingThePhone(t *testing.T) {
	p := newPhone(view(t))
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{DN: "9", Number: "1002"}, "NOT_CONFIGURED"},
		{Request{DN: "2001", Number: "1002"}, "UNSUPPORTED_OPERATION"},
		{Request{DN: "1003", Number: "1002"}, "OUT_OF_SERVICE"},
		{Request{DN: "1001", Number: "1001"}, "INVALID_ATTRIBUTE"},
		{Request{DN: "1001", Number: "10 02"}, "INVALID_ATTRIBUTE"},
		{Request{DN: "1001", Number: "+1900"}, "INVALID_ATTRIBUTE"},
	} {
		if got := p.made(c.r); got != c.want {
			t.Errorf("%v: %s, want %s", c.r, got, c.want)
		}
	}
	if p.asked > 0 {
		t.Error("a phone was asked")
	}
	p.err = refer.ErrNoPhone
	if got := p.made(Request{DN: "1001", Number: "1002"}); got != "OUT_OF_SERVICE" {
		t.Errorf("no phone: %s", got)
	}
}

// A request that comes again makes no other call, whatever became of it, for as long as it is
// remembered; another one has to wait for it.
func TestDesk_TheSameRequestIsDoneOnce(t *testing.T) {
	v := view(t)
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(v)
		r := Request{DN: "1001", Number: "1002", ID: "a"}
		first, second := p.make(r), p.make(r)
		if got := p.made(Request{DN: "1001", Number: "1002", ID: "b"}); got != "RESOURCE_SEIZED" {
			t.Errorf("another one meanwhile: %s", got)
		}
		if got := p.made(Request{DN: "1001", Number: "1009", ID: "a"}); got != "INVALID_ATTRIBUTE" {
			t.Errorf("the same ID for another number: %s", got)
		}
		p.desk.Dials(dialled("1001", "1002"))
		for i, got := range []string{<-first, <-second, p.made(r)} {
			if got != made {
				t.Errorf("%d: %s", i, got)
			}
		}
		if p.asked != 1 {
			t.Errorf("the phone was asked %d times", p.asked)
		}
		pass(remembered + time.Second)
		again := p.make(r)
		p.desk.Dials(dialled("1001", "1002"))
		if got := <-again; got != made || p.asked != 2 {
			t.Errorf("when it is forgotten: %s, asked %d times", got, p.asked)
		}
	})
}

// What is remembered is bounded.
func TestDesk_RemembersSoMany(t *testing.T) {
	p := newPhone(view(t))
	p.err = refer.ErrNoPhone
	for i := range most + 10 {
		p.made(Request{DN: "1001", Number: "1002", ID: fmt.Sprint(i)})
	}
	if len(p.desk.known) != most || len(p.desk.old) != most {
		t.Errorf("%d and %d are remembered, want %d", len(p.desk.known), len(p.desk.old), most)
	}
	if got := tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE; p.desk.old[0].refused.Code != got {
		t.Errorf("remembered %v", p.desk.old[0].refused)
	}
}
