package broken

// waitFaults are those of what phones and callers are told beside their calls: of their
// own mailbox, and of their place among those that wait.
func waitFaults() []Fault {
	in := func(pkg, run string, kind Kind, name, what, file, before, after string) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{{file, before, after}}, Package: pkg, Run: run}
	}
	return []Fault{
		in("./sip", "^TestSubscribe_", Proxy, "voicemail-of-anything", "the voicemail is asked for what it does not know, too",
			"sip/proxy/voicemail.go", " || !keptThere(m)", ""),
		in("./sip", "^TestSubscribe_", Proxy, "mailbox-at-the-phone", "a phone's SUBSCRIBE to its own DN comes back to it",
			"sip/proxy/voicemail.go", "&& c.called == string(o.dn)", "&& c.called != string(o.dn)"),
		in("./node/routing", "^TestRoutingPoint_TellsThePlace$", Calls, "place-told-once", "callers do not hear that their place has changed",
			"node/routing/place.go", "if at != said && (", "if said == 0 && ("),
		in("./node/routing", "^TestRoutingPoint_TellsThePlace$", Calls, "place-told-unasked", "callers of every routing point are told their place",
			"node/routing/place.go", ".GetRoutingPoint().GetTellPosition()", " != nil"),
		in("./sip", "^TestTell_", Calls, "place-lost-behind-ring", "what a caller is told while a 180 waits for its PRACK is lost",
			"sip/proxy/reliable.go", "	if r.waits {\n		r.ring()\n	}\n", ""),
	}
}
