package broken

import "time"

// phoneFaults are those of the phones: what is known of who answers (S20), and which is which.
func phoneFaults() []Fault {
	unit := func(name, what, pkg, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Registrations, What: what, Edits: edits, Package: "./" + pkg, Run: run}
	}
	return []Fault{
		unit("mapped-unseen", "a phone is called at the port that its NAT has changed", "sip/proxy", "^TestReach_ContactUnlessThereIsANAT$",
			Edit{"sip/proxy/reach.go", "len(b.Path) > 0 || b.Mapped {", "len(b.Path) > 0 {"}),
		unit("contact-of-any-kind", "a DN is in service whose only contact is an address of mail", "sip", "^TestRegister_AContactThatIsNoSIPURI$",
			Edit{"sip/registrar/register.go", "expires: -1}); message.IsSIP(a.URI) {", "expires: -1}); len(a.URI) > 0 {"}),
		unit("ping-goes-elsewhere", "a phone that listens on another port than it sends from is pinged where it doesn't listen", "sip", "^TestPings_GoWhereCallsGo$",
			Edit{"sip/pingmessage.go", "p.out.Datagrams.Send(m.Bytes(), proxy.Reach(b))", "p.out.Datagrams.Send(m.Bytes(), b.Source)"},
			Edit{"sip/pingmessage.go", "	\"github.com/sipcluster/sipcluster/sip/proxy\"\n", ""}),
		unit("silence-untold", "only the node that called it in vain knows that a phone does not answer", "node/dn", "^TestTable_WhoDoesNotAnswer",
			Edit{"node/dn/table.go", "		t.set(e, said)\n		t.journals[own].add(e, placeOwn, true)\n", "		t.set(e, said)\n"}).by("quiet", 25*time.Second, "S20"),
		unit("silence-is-routable", "a phone that does not answer gets the next call too", "node/dn", "^TestStatus_Routable$",
			Edit{"node/dn/merge.go", "s.State != InSrv || s.Reason == Unresponsive ||", "s.State != InSrv ||"}).by("quiet", 25*time.Second, "S20"),
		unit("silence-is-oos", "one call that gets no answer takes a DN out of service", "sip", "^TestSilent_Phones$",
			Edit{"sip/ping.go", "	b, ok := p.registrar.Silent(n, contact, callID, cseq)\n	if !ok {", "	b, ok := p.registrar.Silent(n, contact, callID, cseq)\n	if ok {\n		p.registrar.Unanswered(n, contact, callID)\n	}\n	if !ok {"}).by("quiet", 25*time.Second, "S20"),
		unit("silence-unasked", "a phone that gave no answer is asked once", "sip", "^TestSilent_Phones$",
			Edit{"sip/ping.go", "	p.due.add(pr, now)\n	p.mu.Unlock()\n", "	p.mu.Unlock()\n"}),
		unit("silence-outlasts-register", "a phone that registers again stays unresponsive", "sip/registrar", "^TestSilent_",
			Edit{"sip/registrar/decide.go", "		UserAgent: text(r.agent()),\n", "		UserAgent: text(r.agent()), Unresponsive: b.Unresponsive,\n"},
			Edit{"sip/registrar/registrar.go", "		g.cfg.Store.Put(&location.Entry{Record: rec, Bindings: dec.bindings})\n", "		g.keep(rec, dec.bindings)\n"}).by("quiet", 25*time.Second, "S20"),
		unit("silence-forgotten", "what was silent before a restart is not asked after it", "sip", "^TestSilent_IsAskedAfterARestart$",
			Edit{"sip/pinground.go", "b.Unresponsive {\n				p.Silent(", "b.Unresponsive && p.wake == nil {\n				p.Silent("}),
		unit("device-has-two", "a phone that started again has a second contact beside its dead one", "sip/registrar", "^TestDecide_Transcripts$",
			Edit{"sip/registrar/decide.go", "return c.replaces(r, &b) && (life > 0", "return life < 0 && c.replaces(r, &b) && (life > 0"},
			Edit{"sip/registrar/decide.go", "return c.replaces(r, &b) || b.Unresponsive", "return b.Unresponsive"}),
		unit("device-late-duplicate", "a late duplicate of a REGISTER takes the device's contact back", "sip/registrar", "^TestDecide_Transcripts$",
			Edit{"sip/registrar/device.go", "if !ok || string(r.CallID) == b.CallID && r.CSeq <= b.CSeq {", "if !ok {"}),
	}
}
