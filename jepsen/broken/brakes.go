package broken

// brakeFaults are mistakes in what slows down those who guess and flood.
func brakeFaults() []Fault {
	in := func(pkg, run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Bounds, What: what, Edits: edits, Package: pkg, Run: run}
	}
	const guard, brakes = "sip/guard/guard.go", "sip/guard/brakes.go"
	return []Fault{
		in("./sip", "TestGuess_TenOfADN", "dn-silenced", "wrong passwords from one source silence the DN for all",
			Edit{guard, "from := source.Of(c.Source.Addr())", "from := netip.IPv6LinkLocalAllNodes()"},
			Edit{guard, "stale, source.Of(c.Source.Addr()))", "stale, netip.IPv6LinkLocalAllNodes())"}),
		in("./sip", "TestGuess_CostsNobody", "rate-before-password", "who registers with a wrong password uses up the rate of those who have the right one",
			Edit{"sip/registrar/registrar.go", "	if !g.admit(r, v, a) {", "	if !g.admit(r, v, a) || !g.cfg.Rate.Take(source.Of(r.Source.Addr())) {"}),
		in("./sip", "TestGuess_CostsNobody", "call-rate-before-password", "who calls with a wrong password uses up the rate of those who have the right one",
			Edit{"sip/proxy/fresh.go", "	o, ok := p.callers.identify(m, in, a)\n	if !ok {", "	o, ok := p.callers.identify(m, in, a)\n	if invite && !ok {\n		p.rate.Take(source.Of(in.source.Addr()))\n	}\n	if !ok {"}),
		in("./sip/guard", "TestBrakes_", "silence-for-ever", "a source that was silenced is never answered again",
			Edit{"sip/guard/pair.go", "p != nil && now < p.last+p.silence", "p != nil && p.silence > 0"}),
		in("./sip/guard", "TestBrakes_", "silence-stays-short", "silences are all of the same length",
			Edit{"sip/guard/pair.go", "min(2*p.silence, longestSilence)", "firstSilence"}),
		in("./sip/guard", "TestBrakes_", "retransmission-counts", "a request that the network delivers twice is two tries",
			Edit{brakes, "} else if p.print == t.print {", "} else if p.print == t.print && t.print == 0 {"}),
		in("./sip/guard", "TestBrakes_", "one-phone-silences-all", "a wrong password of one phone silences all phones behind its address",
			Edit{"sip/guard/pair.go", "s.pairs > 1 && ", ""}),
		in("./sip/guard", "TestBrakes_", "old-password-remembered", "wrong tries of the password of before count against the new one",
			Edit{brakes, " || p.ha1 != maphash.String(b.seed, ha1)", ""}),
		in("./sip", "TestGuess_NobodyLearns", "unknown-dn-shows", "the challenge of a DN that there isn't looks otherwise",
			Edit{guard, "account{nil, g.nobodys[algorithm(d)], algorithm(d)}", "account{nil, g.nobodys[digest.SHA256], digest.SHA256}"}),
		in("./sip/digest", "TestCheck_NobodyTries", "nonce-of-anybody", "passwords are tried in the name of another address",
			Edit{"sip/digest/server.go", "at := source.As16()", "at := [16]byte{}"}),
		in("./sip/wire", "TestFlows_AStranger", "silent-ones-stay", "silent connections of one source take all places",
			Edit{"sip/wire/crowd.go", "own.Len() < c.each", "own.Len() < 1000*c.each"}),
		in("./sip/wire", "TestShed_", "flood-drowns-others", "a source that floods the UDP port is served before all others",
			Edit{"sip/wire/shed.go", "s.limit = batch / 2", "s.limit = batch - 1"}),
		in("./sip", "^TestFamilies_", "one-family", "a phone that has only IPv6 is told an IPv4 address to send to",
			Edit{"sip/location/hosts.go", "case side.Is6() && !side.Is4In6():", "case side.Is6() && side.Is4In6():"}),
		in("./sip", "^TestFamilies_", "via-of-one-family", "what a phone that has only IPv6 receives names an IPv4 address to answer to",
			Edit{"sip/proxy/hop.go", "Via.Of(h.transport, h.addr.Addr())", "Via.Of(h.transport, netip.Addr{})"}),
		in("./sip/wire", "TestLoad_", "overload-unfelt", "calls begin however late what comes is read",
			Edit{"sip/wire/load.go", "	l.overloaded.Store(true)\n", ""}),
		in("./sip/wire", "TestLoad_", "pause-is-overload", "a process that stood still for a moment refuses calls",
			Edit{"sip/wire/load.go", "l.count < leastLate || ", ""}),
		in("./sip/wire", "TestLoad_", "never-relieved", "a node that was overloaded once counts so for ever",
			Edit{"sip/wire/load.go", "over := l.count < leastLate", "over := l.count < 0"}),
		in("./sip/wire", "^TestSocket_TellsHowLongADatagramWaited$", "age-unread", "nobody knows how long a datagram has waited to be read",
			Edit{"sip/wire/queueing.go", "max(now.Sub(time.Unix(sec, nsec)), 0)", "0 * time.Duration(sec+nsec)"}),
		in("./sip/wire", "^TestSocket_TellsWhatTheKernelHadNoRoomFor$", "drops-uncounted", "nobody knows what the kernel had no room for",
			Edit{"sip/wire/queueing.go", "q.dropped = binary.NativeEndian.Uint32(data)", "_ = data"}),
		in("./sip/wire", "^TestPort_SaysWhenTheKernelGivesLessRoom$", "small-buffer-unsaid", "the kernel gives a smaller receive buffer than is asked for, and nobody says so",
			Edit{"sip/wire/port.go", "	if room < receiveBuffer {", "	if room < 0 {"}),
		in("./sip", "^TestOverload_WhatIsUpGoesOn$", "new-calls-go-first", "calls begin while more come than are served",
			Edit{"sip/proxy/fresh.go", "!p.refuses(in.peer != \"\")", "!p.refuses(in.peer == \"none\")"},
			Edit{"sip/wire/port.go", "	late := lateAfter\n", "	late := time.Hour\n"}),
	}
}
