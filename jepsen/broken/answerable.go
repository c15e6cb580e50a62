package broken

// answerableFaults are those of phones that don't answer (S20).
func answerableFaults() []Fault {
	word := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Calls, What: what, Edits: edits, Package: "./sip", Run: run}
	}
	return []Fault{
		word("no-first-word", "a phone that says nothing is waited for like one that rings", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "	if d > 0 && a.c.invite {", "	if d > 0 && a.c.invite && !phones {"}),
		word("lost-datagram-counts", "a phone has its time until the first copy of the INVITE only", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "GetFirstWordMs()) * time.Millisecond", "GetFirstWordMs()) * time.Millisecond / 4"}),
		word("owner-keeps-it", "the node that sent the call does not hear that the owner's phone says nothing", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "c.origin.kind == fromPeer {", "c.origin.kind == fromTrunk {"}),
		word("said-once", "the node that sent the call is told once, and never when that got lost", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "		a.awaitWord(a.branches[0].leg) // some", "		_ = a.awaitWord // some"}),
		word("left-phone-rings", "a phone that was left rings when it hears of the call at last", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "			b.cancel(reasonOf(408, \"Request Timeout\"))\n", ""}),
		word("left-phone-talks", "a phone that was left and answers has a call with nobody", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/branch.go", "	b.hangUp(res)\n", "	_ = b.hangUp\n"}),
		word("fork-waits-for-the-dead", "a phone that is not there holds up what the other one of its DN says", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/attempt.go", "	return open && !others", "	return open"}),
		word("word-unheard", "a phone that speaks again is silent still", "^TestTimers_FirstWord$",
			Edit{"sip/proxy/firstword.go", "		b.c.in.phones.Heard(b.number, b.phone.Contact, b.phone.CallID)\n", ""}),
		{
			Name: "refresh-is-no-word", Kind: Registrations, What: "a phone that registered after it was called in vain counts as silent",
			Edits:   []Edit{{"sip/registrar/silent.go", "return b.CSeq <= cseq }", "return b.CSeq <= cseq || cseq < 1<<31 }"}},
			Package: "./sip/registrar", Run: "^TestSilent_",
		},
		word("deaf-to-icmp", "a port at which nobody listens is waited for", "^TestUnreachable_",
			Edit{"sip/wire/socket.go", "errors.Join(keepErrors(s.fd, s.six), tellQueueing(s.fd))", "tellQueueing(s.fd)"},
			Edit{"sip/wire/errqueue.go", "unix.SOL_IP, unix.IP_RECVERR, 1)", "unix.SOL_IP, unix.IP_RECVERR, 0)"}),
		{
			Name: "error-of-another", Kind: Calls, What: "what ICMP says of one datagram loses another one",
			Edits:   []Edit{{"sip/wire/socket.go", "const maxStale = 3", "const maxStale = 0"}},
			Package: "./sip/wire", Run: "^TestSocket_TellsWhatNobodyTakes$",
		},
		{
			Name: "silent-agent-pays", Kind: Calls, What: "an agent whose phone said nothing goes to the end of those who are idle",
			Edits:   []Edit{{"node/routing/dial.go", "		if !out.NoWord { // an", "		if n != \"\" { // an"}},
			Package: "./node/routing", Run: "^TestNoWord_",
		},
		{
			Name: "nobody-else-is-left-for", Kind: Calls, What: "a phone is left when nobody else can take the call",
			Edits:   []Edit{{"node/routing/journey.go", "	return found || j.r.announcer.Routers(j.rp)", "	_ = found\n	return true"}},
			Package: "./node/routing", Run: "^TestNoWord_",
		},
	}
}
