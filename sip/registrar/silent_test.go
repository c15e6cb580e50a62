package registrar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Whatever happens to the bindings of a DN, in whatever order and over restarts:
// it is unresponsive just while each of its phones is.
func TestSilent_ADNAnswersWhileOneOfItsPhonesDoes(t *testing.T) {
	seeds := 100
	if testing.Short() {
		seeds = 20
	}
	w := newDesk(t, "1001")
	for seed := range seeds {
		w.table = dn.New(dn.Config{Self: "n1", Incarnation: uint64(seed) + 1})
		w.registrar.cfg.Table = w.table
		w.store.Delete("1001")
		life := &phonesOf1001{w: w, r: rand.New(rand.NewPCG(uint64(seed), 3)), seed: seed}
		for range 60 {
			life.step()
		}
	}
}

// TestSilent_ARefreshSinceIsAWord: a phone that was called in vain and has registered
// again before anybody says so answers.
func TestSilent_ARefreshSinceIsAWord(t *testing.T) {
	w := newDesk(t, "1001")
	for _, c := range []struct {
		register string
		cseq     uint32 // of the REGISTER that was known when it was called
		answers  bool
	}{
		{"a 1 p@h:1=3600", 1, false}, {"a 2 p@h:1=3600", 1, true}, {"", 2, false}, {"a 3 p@h:1=3600", 0, true}, {"", 9, false},
	} {
		if c.register != "" {
			w.update(w.machine.View(), step(t, c.register))
		}
		w.registrar.Silent("1001", "sip:p@h:1", "a", c.cseq)
		if st := w.state("1001"); st.State != dn.InSrv || st.Routable(false) != c.answers {
			t.Errorf("%q, and it was silent behind REGISTER %d: %+v", c.register, c.cseq, st)
		}
	}
}

type phonesOf1001 struct {
	w        *desk
	r        *rand.Rand
	seed     int
	cseq     int
	restarts int
}

// pick is the contact and Call-ID of a binding that is, or was.
func (p *phonesOf1001) pick() (contact, callID string) {
	if e := p.w.store.Get("1001"); e != nil && len(e.Bindings) > 0 && p.r.IntN(8) > 0 {
		b := e.Bindings[p.r.IntN(len(e.Bindings))]
		return b.Contact, b.CallID
	}
	return "sip:p@h:1", "a"
}

func (p *phonesOf1001) step() {
	w := p.w
	contact, callID := p.pick()
	var did string
	switch p.r.IntN(12) {
	case 0, 1, 2:
		p.cseq++
		did = fmt.Sprintf("%c %d p@h:%d/u/%d=3600 from:%d", 'a'+rune(p.r.IntN(3)), p.cseq, p.r.IntN(5), 1+p.r.IntN(2), 1+p.r.IntN(3))
		w.update(w.machine.View(), step(w.t, did))
	case 3:
		p.cseq++
		did = fmt.Sprintf("%s %d %s=0", callID, p.cseq, contact[len("sip:"):])
		w.update(w.machine.View(), step(w.t, did))
	case 4, 5, 6, 7:
		did = "silent " + contact
		w.registrar.Silent("1001", contact, callID, uint32(p.cseq-p.r.IntN(2)))
	case 8:
		did = "heard " + contact
		w.registrar.Heard("1001", contact, callID)
	case 9:
		did = "in vain " + contact
		w.registrar.Unanswered("1001", contact, callID)
	case 10:
		did = "outlived " + contact
		w.registrar.Outlived("1001", contact, callID)
	case 11:
		did = "restart"
		p.restart()
	}
	p.check(did)
}

// restart begins with what the store has.
func (p *phonesOf1001) restart() {
	p.restarts++
	p.w.table = dn.New(dn.Config{Self: "n1", Incarnation: uint64(1000*p.seed + p.restarts)})
	p.w.registrar.cfg.Table = p.w.table
	p.w.registrar.Restore()
}

func (p *phonesOf1001) check(did string) {
	p.w.t.Helper()
	st := p.w.state("1001")
	var bindings []location.Binding
	if e := p.w.store.Get("1001"); e != nil {
		bindings = e.Bindings
		if own, _ := p.w.table.Own("1001"); own.Reason != e.Record.Reason || own.State != e.Record.State {
			p.w.t.Fatalf("seed %d, %s: the table has %+v, the store %+v", p.seed, did, own, e.Record)
		}
	}
	answers := slices.ContainsFunc(bindings, func(b location.Binding) bool { return !b.Unresponsive })
	inService := len(bindings) > 0
	if (st.State == dn.InSrv) != inService || inService && st.Routable(false) != answers {
		p.w.t.Fatalf("seed %d, %s: %+v with %d bindings, one that answers: %v", p.seed, did, st, len(bindings), answers)
	}
}
