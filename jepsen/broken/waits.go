package broken

// waitFaults are those of what phones and callers are told beside their calls: of their
// own mailbox, of their place among those that wait, and why there is no sound between them.
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
		in("./sip/proxy", "^TestGroups_", Proxy, "flows-ring-together", "a phone is called by all its flows at once",
			"sip/proxy/flows.go", "			case at < 0:\n", "			case i >= 0:\n"),
		in("./sip", "^TestProxy_APhoneOfTwoFlows", Proxy, "refused-by-each-flow", "a phone that has refused a call is called again by its other flow",
			"sip/proxy/flows.go", "b.final == nil || b.final.res != nil", "b.final == nil && b.final.res != nil"),
		in("./sip", "^TestRegistrar_Says", Registrations, "flow-kept-unsaid", "a phone does not hear that its flow is kept, and opens no other one",
			"sip/registrar/registrar.go", "	if r.flows() {\n", "	if r.flows() && n == \"\" {\n"),
		in("./sip", "^TestRing_Makes", Calls, "early-bye-in-vain", "a caller who hangs up by BYE while it waits goes on waiting",
			"sip/proxy/early.go", "		defer c.leaves(reasonsOf(m))\n", ""),
		in("./sip", "^TestRing_Makes", Calls, "early-bye-ends-all", "a BYE in the dialog with the node ends that with a phone that rings",
			"sip/proxy/early.go", "c.try == nil || !c.try.rings()", "true"),
		in("./sip", "^TestTell_", Calls, "place-lost-behind-ring", "what a caller is told while a 180 waits for its PRACK is lost",
			"sip/proxy/early.go", "		defer c.reliable.more()\n", ""),
		{
			Name: "media-any-agent", Kind: Calls, What: "an agent is called whose phone does not speak what the caller offers, though another's does",
			Edits: []Edit{
				{"node/dn/idle.go", "		return a.fit > b.fit\n", "		return a.fit < b.fit\n"},
				{"node/dn/idle.go", "cmp.Compare(b.fit, a.fit)", "cmp.Compare(a.fit, b.fit)"},
			},
			Package: "./node/routing", Run: "^TestMedia_AgentsThatFit",
		},
		in("./node/routing", "^TestMedia_ARefusal", Calls, "media-why-sticks", "what is said of a phone's 488 is said of the next phone's answer, too",
			"node/routing/media.go", "	if why == j.why {", "	if why == \"\" {"),
		in("./node/dn", "^TestTable_KnowsTheMedia$", Registrations, "media-forgotten", "what a phone has said of its media is forgotten when it registers again",
			"node/dn/media.go", "	if s.Said == 0 && s.Usual == was.Usual {", "	if s.Said != 0 {"),
		in("./sip/profile", "^TestOf_", Calls, "profile-of-video", "the keys of a video stream count as those of the sound",
			"sip/profile/profile.go", "		if end := bytes.Index(one, next); end >= 0 {\n			one = one[:end]\n		}\n", ""),
		in("./sip", "^TestMedia_", Calls, "media-of-answers-unseen", "what a phone answers says nothing of its media",
			"sip/proxy/attempt.go", "		c.in.answered(b, res)\n", ""),
	}
}
