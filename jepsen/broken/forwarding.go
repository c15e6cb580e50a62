package broken

// routeFaults are those of who may follow a Route token, and where it leads.
func routeFaults() []Fault {
	const admission, path = "sip/proxy/admission.go", "sip/proxy/path.go"
	route := func(pkg, run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Trust, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		route("./sip/route", "^TestToken_", "token-of-any-dialog", "a route token holds for any caller's tag",
			Edit{"sip/route/ring.go", "	h.Write(tag)\n", "	_ = tag\n"}),
		route("./sip/route", "^TestToken_", "token-in-the-clear", "who is called shows in a route token",
			Edit{"sip/route/ring.go", "block.Encrypt(h.pad[:], h.counter[:])", "_ = block"}),
		route("./sip", "^TestThief_AfterARestart$", "token-for-ever", "a route token of a call that nobody knows holds for ever",
			Edit{admission, "k.Retired, k.Expired(ad.now()), ad.dialogs", "k.Retired, ad.dialogs"}),
		route("./sip", "^TestThief_AfterTheCall$", "token-outlives-the-call", "a route token holds when its call is over",
			Edit{admission, "lingers, ad.births.mine(k.Birth),", "lingers,"}),
		route("./sip", "^TestThief_AfterTheDNIsGone$", "token-outlives-the-dn", "a DN that is deleted or disabled follows its route tokens on",
			Edit{admission, "case !ad.configured(s):", "case !ad.configured(s) && bye:"}),
		route("./sip", "^TestThief_OfACallThatIsUp$", "token-is-enough", "whoever shows a route token is a side of the dialog",
			Edit{admission, "s.Near && ad.isSide(&s.First, in):", "s.Near:"}),
		route("./sip", "^TestThief_OfACallThatIsUp$", "either-side", "one side sends requests in the name of the other one",
			Edit{admission, "s.Near && ad.isSide(&s.First, in):", "ad.isSide(&s.First, in):"}),
		route("./sip", "^TestThief_OfACallThatIsUp$", "trunk-where-the-request-says", "a token of a trunk leads to any address",
			Edit{path, "ok && d.trunks.leads(k.Number, addr)", "ok"}),
		route("./sip", "^TestTrunk_ACallThatIsUp", "carrier-bills-on", "a carrier does not hear that a call is over when its trunk was disabled or moved",
			Edit{path, "took := ends && k.Called && k.Addr.IsValid()", "took := false"}),
		route("./sip", "^TestTrunk_ACallThatIsUp", "carrier-may-not-hang-up", "a carrier whose trunk was disabled or moved can't end its calls",
			Edit{admission, "took && ad.trunks.get(k.Number)", "false && took && ad.trunks.get(k.Number)"}),
		route("./sip", "^TestThief_OfACallThatIsUp$", "any-port-of-a-phone", "a token of a phone leads to any port of its machine",
			Edit{path, "contact != nil && message.EqualURI(contact, s.URI) {", "contact != nil {"}),
		route("./sip", "^TestFollow_APhone", "proof-forgotten", "a phone whose port has changed can acknowledge nothing",
			Edit{admission, "	ad.proved.Add(who)\n", ""}),
		route("./sip", "^TestFollow_WhoWas", "transfer-untold", "what became of a transfer is not told when the call is over",
			Edit{"sip/dialog/table.go", "d.linger[k] = lingering{d.now().Add(referred), followers(first)}", "_ = referred"}),
	}
}

// forwardingFaults are those of what a proxy changes of a message, keeps of it,
// and passes on or not.
func forwardingFaults() []Fault {
	const branch, relay, border, target = "sip/proxy/branch.go", "sip/proxy/relay.go", "sip/proxy/border.go", "sip/proxy/target.go"
	proxy := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Proxy, What: what, Edits: edits, Package: "./sip", Run: "^TestForwarding$"}
	}
	sockets := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Proxy, What: what, Edits: edits, Package: "./sip", Run: "^TestForwarding_Sockets$"}
	}
	binding := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Registrations, What: what, Edits: edits, Package: "./sip", Run: "^TestConnections_"}
	}
	return []Fault{
		proxy("hops-stay", "a new request goes on with the Max-Forwards that it came with",
			Edit{branch, "Hops: hops(c.req) - 1", "Hops: hops(c.req)"}),
		proxy("hops-stay-in-dialog", "a request of a call goes on with the Max-Forwards that it came with",
			Edit{relay, "hops(m)-1, true", "hops(m), true"}),
		proxy("trying-passed", "the 100 of a re-INVITE is passed on",
			Edit{relay, "\tcase res.Status == 100 || x.answers(res):\n", "\tcase x.answers(res):\n"}),
		proxy("route-kept", "our own Route entries go on within a call",
			Edit{relay, "hops(m)-1, true", "hops(m)-1, false"}),
		proxy("credentials-passed", "the caller's credentials for the cluster reach the called phone",
			Edit{border, "	credentials := m.Has(", "	credentials := string(m.Method) != \"INVITE\" && m.Has("}),
		proxy("foreign-credentials-dropped", "credentials for another realm are taken out too",
			Edit{border, "return message.EqualFold(c.Realm, realm)", "return true"}),
		proxy("path-backwards", "the Path of a phone behind a proxy becomes the Route in the wrong order",
			Edit{target, "l.routes = append(l.routes, []byte(r))", "l.routes = append([][]byte{[]byte(r)}, l.routes...)"}),
		proxy("worst-first", "the contact with the lowest q rings first",
			Edit{target, "cmp.Compare(b.q, a.q)", "cmp.Compare(a.q, b.q)"}),
		proxy("one-challenge", "of several phones' challenges the caller gets one only",
			Edit{"sip/proxy/call.go", "c.respond(o.res, o.domain, o.challenges)", "c.respond(o.res, o.domain, nil)"}),
		sockets("via-of-udp", "the Via on every way out names the UDP port",
			Edit{"sip/proxy/hop.go", "h.out.Via.Of(h.transport,", "h.out.Via.Of(0,"}),
		sockets("record-route-of-udp", "the Record-Route towards every phone leads to the UDP port",
			Edit{"sip/location/hosts.go", "h.Of(t, side)...)", "h.Of(UDP, side)...)"}),
		binding("flow-takes-all", "the end of a connection ends what was registered over any of its transport",
			Edit{"sip/wire/flows.go", "b.Transport == k.Transport && b.Source == k.Peer", "b.Transport == k.Transport"}),
		binding("unregister-over-tcp", "to take one contact back over a connection takes the DN out of service",
			Edit{"sip/registrar/registrar.go", "\tcase len(dec.bindings) > 0:", "\tcase len(dec.bindings) > 0 && !r.Transport.Connected():"}),
	}
}
