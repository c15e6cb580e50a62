package registrar

import (
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Silent notes that the phone of a binding does not answer, and returns the
// binding; false when there is none, or it was refreshed behind its REGISTER cseq. A DN of
// which no phone answers is in service, and not routable.
func (g *Registrar) Silent(n dn.Number, contact, callID string, cseq uint32) (location.Binding, bool) {
	return g.note(n, contact, callID, func(b *location.Binding) bool { return b.CSeq <= cseq }, true)
}

// Heard notes that the phone of a binding answers.
func (g *Registrar) Heard(n dn.Number, contact, callID string) {
	g.note(n, contact, callID, func(*location.Binding) bool { return true }, false)
}

func (g *Registrar) note(n dn.Number, contact, callID string, holds func(*location.Binding) bool, silent bool) (location.Binding, bool) {
	mu := g.lock(string(n))
	defer mu.Unlock()
	e := g.cfg.Store.Get(n)
	if e == nil {
		return location.Binding{}, false
	}
	i := slices.IndexFunc(e.Bindings, func(b location.Binding) bool { return b.Contact == contact && b.CallID == callID })
	if i < 0 || !holds(&e.Bindings[i]) {
		return location.Binding{}, false
	}
	b := &e.Bindings[i]
	if b.Unresponsive != silent {
		b.Unresponsive = silent
		g.cfg.Log.Info("whether a phone answers", "dn", string(n), "contact", contact, "answers", !silent)
		g.keep(e.Record, e.Bindings)
	}
	return *b, true
}

// keep stores the bindings that a registration has now, one at least, and says
// whether a phone of them answers. The caller holds the DN's lock.
func (g *Registrar) keep(rec dn.Record, bindings []location.Binding) {
	answers := slices.ContainsFunc(bindings, func(b location.Binding) bool { return !b.Unresponsive })
	if said, ok := g.cfg.Table.Answers(rec.Number, rec.ClaimTime, answers); ok {
		rec = said
	}
	g.cfg.Store.Put(&location.Entry{Record: rec, Bindings: bindings})
}

// Unanswered ends a binding whose phone was asked in vain.
func (g *Registrar) Unanswered(n dn.Number, contact, callID string) {
	g.drop(n, dn.Unresponsive, func(b *location.Binding) bool { return b.Contact == contact && b.CallID == callID })
}

// Outlived ends a binding whose phone does not answer when a newer one that answers
// looks like the same phone after a restart.
func (g *Registrar) Outlived(n dn.Number, contact, callID string) {
	is := func(b *location.Binding) bool { return b.Contact == contact && b.CallID == callID && b.Unresponsive }
	e := g.cfg.Store.Get(n)
	if e == nil {
		return
	}
	i := slices.IndexFunc(e.Bindings, func(b location.Binding) bool { return is(&b) })
	if i >= 0 && slices.ContainsFunc(e.Bindings[i+1:], func(b location.Binding) bool { return !b.Unresponsive && twin(&b, &e.Bindings[i]) }) {
		g.drop(n, dn.Unresponsive, is)
	}
}
