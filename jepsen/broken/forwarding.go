package broken

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
			Edit{relay, "Hops: hops(m) - 1", "Hops: hops(m)"}),
		proxy("trying-passed", "the 100 of a re-INVITE is passed on",
			Edit{relay, "\tcase res.Status == 100:\n\t\treturn\n", ""}),
		proxy("route-kept", "our own Route entries go on within a call",
			Edit{relay, "Routes: s.Rest, Reroute: true", "Routes: s.Rest"}),
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
			Edit{"sip/proxy/hop.go", "h.out.Via[h.transport]", "h.out.Via[0]"}),
		sockets("record-route-of-udp", "the Record-Route towards every phone leads to the UDP port",
			Edit{"sip/route/entries.go", "rr.Hosts[k.Transport]", "rr.Hosts[0]"}),
		binding("flow-takes-all", "the end of a connection ends what was registered over any of its transport",
			Edit{"sip/wire/flows.go", "b.Transport == k.Transport && b.Source == k.Peer", "b.Transport == k.Transport"}),
		binding("unregister-over-tcp", "to take one contact back over a connection takes the DN out of service",
			Edit{"sip/registrar/registrar.go", "\tcase len(dec.bindings) > 0:", "\tcase len(dec.bindings) > 0 && !r.Transport.Connected():"}),
	}
}
