package broken

// trustFaults are those at the borders of who is trusted: what is said of who somebody
// is, credentials, and where a DN may call.
func trustFaults() []Fault {
	forwarding := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Trust, What: what, Edits: edits, Package: "./sip", Run: "^TestForwarding$/identity"}
	}
	class := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Trust, What: what, Edits: edits, Package: "./node/routing", Run: "^TestClass_"}
	}
	trunk := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Trust, What: what, Edits: edits, Package: "./sip", Run: "^TestTrunk_"}
	}
	return []Fault{
		forwarding("phone-asserts", "who a phone says that it is goes on as what the cluster knows",
			Edit{"sip/identity/identity.go", "b.From != Inside || b.To != Inside && (", "b.To != Inside && ("}),
		forwarding("privacy-ignored", "who wants to be told to nobody is shown to the called phone",
			Edit{"sip/identity/identity.go", "b.asked.hides(c) || keepsItself(h)", "keepsItself(h)"}),
		forwarding("asserted-to-anybody", "a trunk that is not trusted is told who calls",
			Edit{"sip/proxy/shown.go", "c.origin.kind == fromPhone && l.domain == identity.Inside:", "c.origin.kind == fromPhone && l.phone == nil:"}),
		forwarding("credentials-to-nodes", "credentials for the cluster leave a node in requests of a call",
			Edit{"sip/proxy/relay.go", "	renumber(m, by, &ch)\n", "	ch.Drop = nil\n	renumber(m, by, &ch)\n"}),
		forwarding("unreadable-credentials", "credentials that nobody can read are passed on",
			Edit{"sip/proxy/border.go", "	return len(h.Value) >= len(\"digest\") && message.EqualFold(h.Value[:len(\"digest\")], \"digest\")\n", "	return false\n"}),
		forwarding("nameless-unasked", "an anonymous caller is refused and not asked who it is",
			Edit{"sip/proxy/callers.go", "	if !phone && identity.Anonymous(", "	if phone && identity.Anonymous("}),
		trunk("trunk-registers", "a trunk may register a phone whose password it has",
			Edit{"sip/registrar/registrar.go", "case g.cfg.Trunk != nil && g.cfg.Trunk(r.Source, r.Transport):", "case g.cfg.Trunk != nil && len(r.ToUser) == 0 && g.cfg.Trunk(r.Source, r.Transport):"}),
		trunk("trunk-says-anything", "a trunk sends whatever it likes to phones",
			Edit{"sip/proxy/callers.go", "case method != \"INVITE\" && method != \"MESSAGE\"", "case method == \"REGISTER\" && method != \"MESSAGE\""}),
		trunk("trunk-unproved", "a trunk at its address is not asked for its password",
			Edit{"sip/proxy/callers.go", "case k.asked() != nil && !cs.prove(", "case k.asked() != nil && !k.sends(in.source) && !cs.prove("}),
		trunk("source-is-proof", "a trunk that is asked for a password calls from any address with a wrong one",
			Edit{"sip/guard/guard.go", "return account{c.Trunk, auth.GetHa1(), algorithm(auth)}", "return account{c.Trunk, g.nobodys[algorithm(auth)], algorithm(auth)}"}),
		trunk("phone-in-sources", "a phone among a trunk's sources calls as the trunk",
			Edit{"sip/proxy/callers.go", "case c.None && k != nil && (surely || !phone),", "case c.None && k != nil && (surely || k.addr.IsValid()),"}),
		trunk("referral-out-of-class", "a phone has a gateway call numbers that it may not call itself",
			Edit{"sip/proxy/refer.go", "ok || !o.Allows(numbering.NumberOf(&u)) {", "ok || len(u.Scheme) == 0 && !o.Allows(numbering.NumberOf(&u)) {"}),
		trunk("any-certificate", "a trunk is known by the name in a certificate, whoever has made that",
			Edit{"sip/wire/shown.go", "	if len(list) == 0 || believed(", "	if len(list) == 0 || len(list) > 99 && believed("}),
		trunk("same-number", "a request that a gateway has asked for goes again under the number that it had",
			Edit{"sip/proxy/carrier.go", "ch.CSeq = n + uint32(by)", "ch.CSeq = n"}),
		trunk("numbers-fall", "what a caller sends a gateway after that is numbered lower",
			Edit{"sip/proxy/carrier.go", "		by += s.Last.Skew\n", "		by += 0\n"}),
		trunk("number-of-the-gateway", "a caller's INVITE is answered under the number that the gateway has",
			Edit{"sip/proxy/call.go", "	if c.renumbered {\n		ch.CSeq = c.cseq\n	}\n", ""}),
		trunk("answers-anybody", "a gateway is answered for a realm that is another's",
			Edit{"sip/proxy/carrier.go", " && string(c.Realm) == ac.realm {", " {"}),
		class("routed-out-of-class", "a call that a router sends outside goes wherever that says, whatever its caller may call",
			Edit{"node/routing/dial.go", "if !r.outbound(in).Allows(number) {", "if on.rp == \"\" && !r.outbound(in).Allows(number) {"}),
		class("trunk-out-of-class", "a trunk's class of service counts for nothing",
			Edit{"node/routing/class.go", "	return r.view().DN(string(in.Origin().DN)).GetOutbound()", "	if in.Origin().Trunk {\n		return nil\n	}\n	return r.view().DN(string(in.Origin().DN)).GetOutbound()"}),
		class("no-class-calls", "a DN that makes no calls calls phones",
			Edit{"node/numbering/way.go", "class == configpb.OutboundClass_OUTBOUND_CLASS_NONE:", "class == configpb.OutboundClass_OUTBOUND_CLASS_NONE && called == \"\":"}),
		class("any-prefix", "a DN that may call some numbers outside may call all",
			Edit{"api/configpb/outbound.go", "if strings.HasPrefix(number, p) {", "if number != p || strings.HasPrefix(number, p) {"}),
	}
}
