package broken

// freshSIPFaults are mistakes at the SIP port and in the location store that
// nobody had thought of when the tests were written.
func freshSIPFaults() []Fault {
	sip := func(name string, kind Kind, what, run, file, before, after string) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{{"sip/" + file, before, after}}, Package: "./sip", Run: run}
	}
	wire := func(name string, kind Kind, what, run, file, before, after string) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{{"sip/wire/" + file, before, after}}, Package: "./sip/wire", Run: run}
	}
	proxy := func(name string, kind Kind, what, run, file, before, after string) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{{"sip/proxy/" + file, before, after}}, Package: "./sip/proxy", Run: run}
	}
	registrar := func(name, what, run, file, before, after string) Fault {
		return Fault{Name: name, Kind: Registrations, What: what, Edits: []Edit{{"sip/registrar/" + file, before, after}}, Package: "./sip/registrar", Run: run}
	}
	faults := []Fault{
		sip("ack-without-hops", Proxy, "an ACK goes on with no hop left", "WithoutAHopLeft",
			"proxy/relay.go", "looped(m, mark) != nil || hops(m) == 0", "looped(m, mark) != nil"),
		sip("options-of-the-unknown", Proxy, "OPTIONS to a DN whose owner is not in the roster says that it can be reached", "OPTIONSTells",
			"proxy/target.go", "	return node, node != nil\n", "	return node, true\n"),
		sip("prints-no-target", Bounds, "credentials that were sent once serve for a request to somebody else", "CredentialsServe",
			"proxy/callers.go", "{m.Method, m.URI, c.Response,", "{m.Method, c.Response,"),
		proxy("disabled-trunk", Calls, "a trunk that is disabled may still call", "TestTrunks_",
			"trunks.go", " || d.GetDisabled()", ""),
		wire("old-flow-ends-new", Registrations, "the end of a phone's old connection makes its new one unreachable", "TestFlows_",
			"flows.go", "	if f.byPeer[fl.key()] == fl {\n		delete(f.byPeer, fl.key())\n	}\n", "	delete(f.byPeer, fl.key())\n"),
		wire("fragments-kept", Registrations, "a WebSocket message in fragments begins with the one before", "TestFrames_",
			"wsframe.go", "f.kind, f.partial = 0, nil", "f.kind = 0"),
		sip("bye-numbered-as-invite", Calls, "the BYE of a call that nobody waits for has the number of its INVITE", "AfterTheEndIsHungUp",
			"proxy/branch.go", `"BYE", b.cseq+1,`, `"BYE", b.cseq,`),
		proxy("last-branch-decides", Calls, "a call that a phone refused is tried elsewhere when another could not be reached", "TestVerdict_",
			"best.go", "retry = retry && r.retry", "retry = r.retry"),
		proxy("past-the-edge", Calls, "requests of a call pass by the proxy in front of the phone", "BehindAnEdge",
			"path.go", "!h.Reliable() && len(s.Rest) == 0 && ", "!h.Reliable() && "),
		registrar("fewer-contacts", "phones that were registered are refused when fewer are allowed", "FewerContacts",
			"decide.go", " && len(d.bindings) > len(old)", ""),
		registrar("kind-changed", "a DN that is no phone's any more keeps its phones", "WithdrawnDNLoses",
			"upkeep.go", "	return d.GetKind() == configpb.DNKind_DN_KIND_SIP && !d",
			"	return d.GetKind() != configpb.DNKind_DN_KIND_TRUNK && !d"),
		registrar("withdrawn-while-down", "a DN that was withdrawn while its node was down keeps its phones", "ADNWithdrawnSince",
			"upkeep.go", "range g.start.unserved {", "range g.start.unserved[:0] {"),
		registrar("withdrawn-at-the-start", "a DN that is withdrawn while its node starts keeps its phones", "ADNWithdrawnSince",
			"upkeep.go", "		w = g.cfg.Machine.Watch()\n	}\n", "		w = g.cfg.Machine.Watch()\n	} else {\n		w.Close()\n		w = g.cfg.Machine.Tail()\n	}\n"),
		registrar("held-for-good", "what a drain held back stays out of service when that was undone while the node was down", "UndoneWhileTheNodeWasDown",
			"upkeep.go", "drained, again := g.start.held,", "drained, again := false,"),
		{Name: "refusals-fill", Kind: Bounds, What: "who asks often enough passes the rate limit", Package: "./sip/guard", Run: "TestRate_",
			Edits: []Edit{{"sip/guard/rate.go", "	r.at = now\n	if now", "	if now"}, {"sip/guard/rate.go", "	r.left--\n", "	r.left--\n	r.at = now\n"}}},
		sip("half-a-ping", Registrations, "a keep-alive that the network cut in two is not answered", "AKeepAliveInPieces",
			"wire/flow.go", "	if f.half {\n		n = 1\n	}\n", ""),
		sip("quality-lost", Registrations, "what stands behind a contact's expires is lost, its q too", "KeepsTheParameters",
			"registrar/register.go", "append(before[:len(before):len(before)], rest...), expires", "before[:len(before):len(before)], expires"),
		wire("batch-forgets", Durability, "a batch is made durable only when its last message asks for it", "MakesItsBatchDurable",
			"udp.go", "\tif in.Durable {", "\td.durable = 0\n\tif in.Durable {"),
	}
	for _, f := range []Fault{
		{Name: "close-unsynced", What: "what was flushed right before the end is lost with the power",
			Edits: []Edit{{"sip/location/fold.go", "	err := errors.Join(s.flushQueue(), s.sync())\n	if err != nil { // once", "	err := s.flushQueue()\n	if err != nil { // once"}}},
		{Name: "torn-write-kept", What: "a part of a write that failed is left before the next one",
			Edits: []Edit{{"sip/location/journal.go", "		if n > 0 {\n			err = errors.Join(err, s.cut())\n		}\n", ""}}},
		{Name: "base-patched", What: "after an fsync of the base that failed, its pages are trusted",
			Edits: []Edit{{"sip/location/journal.go", "	s.suspect, s.rebuild = true, true\n", "	s.suspect = true\n"}}},
		{Name: "floor-forgotten", What: "a claim seen elsewhere is not written again after a flush that failed",
			Edits: []Edit{{"sip/location/journal.go", "	s.metaNew = s.metaNew || hasWord\n", ""}}},
	} {
		f.Kind, f.Package, f.Run = Durability, "./sip/location", "AfterOneFault|CloseIsDurable|ABaseThatWasNotSynced"
		faults = append(faults, f)
	}
	return faults
}
