package broken

// writtenFaults are those of what RFCs say that few telephones need every day, found by
// unit tests.
func writtenFaults() []Fault {
	const reliable = "sip/proxy/reliable.go"
	return []Fault{
		in("./sip", "^TestTimers_Datagrams", Timers, "late-copy-rings", "a copy of an answered INVITE that comes late is a new call",
			Edit{"sip/proxy/proxy.go", "\"INVITE\" && sh.Absorbed(key):", "\"INVITE\" && false:"}),
		in("./sip/transaction", "^TestAbsorbed_", Bounds, "absorbed-for-ever", "the keys of answered INVITEs are kept for ever",
			Edit{"sip/transaction/absorbed.go", "len(a.young) >= maxAbsorbed || now.Sub(a.turned) >= a.age", "false"}),
		in("./sip", "^TestRing_IsReliable", Calls, "prack-of-another", "a PRACK of any number acknowledges a 180 of ours",
			Edit{reliable, "uint32(n) == r.number", "n > 0"}),
		in("./sip", "^TestRing_IsReliable", Calls, "reliable-once", "a 180 that has to be reliable is sent once",
			Edit{reliable, "\t\tr.send(r.every)\n\t}\n}\n\n// stop", "\t}\n}\n\n// stop"}),
		in("./sip/wire", "^TestSocket_Closes", Wires, "close-waits-for-its-reader", "a node that stops waits for its reader, who waits for it",
			Edit{"sip/wire/socket.go", "\t_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)\n", "\ts.writing.Lock()\n\tdefer s.writing.Unlock()\n\t_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)\n"},
			Edit{"sip/wire/socket.go", "\ts.writing.Lock()\n\tdefer s.writing.Unlock()\n\treturn unix.Close(s.fd)", "\treturn unix.Close(s.fd)"}),
		in("./sip", "^TestSIPS_", Proxy, "sips-in-clear", "a sips call goes to a phone that is registered by UDP",
			Edit{"sip/proxy/target.go", "		if sips {\n", "		if false {\n"}),
		in("./sip", "^TestSIPS_", Proxy, "sips-between-nodes", "a sips call goes to another node in clear",
			Edit{"sip/proxy/target.go", "case sips && (t.Node == \"\" || !ts.sealed):", "case sips && t.Node == \"\":"}),
		in("./sip", "^TestForwarding$", Calls, "missed-elsewhere", "a phone that rang shows a missed call that another one has answered",
			Edit{"sip/proxy/attempt.go", "		b.cancel(elsewhere...)\n", "		_ = elsewhere\n		b.cancel()\n"}),
		in("./sip", "^TestSession_ATimerIsNoShorter", Timers, "min-se-ignored", "a session timer is shorter than its caller takes",
			Edit{"sip/proxy/sessiontimer.go", "max(sessionAsked, sessionTimer(n))", "sessionAsked"}),
		in("./sip", "^TestGRUU_", Calls, "gruu-rings-all", "who calls one phone's GRUU makes all phones of the DN ring",
			Edit{"sip/proxy/target.go", "one != nil && !gruu.Names(one, b) {", "one != nil && len(one) == 0 {"}),
		in("./sip", "^TestMoved_", Calls, "moved-in-call-lost", "a phone that registers anew within its call hears no more of it",
			Edit{"sip/proxy/path.go", "if b := moved(s, live); b != nil {", "if b := moved(s, nil); b != nil {"}),
		in("./sip", "^TestContact_", Calls, "contact-is-nobody", "a phone that is called by its Contact is found at its own node alone",
			Edit{"sip/server.go", "	if n == \"\" && s.cfg.FindElsewhere != nil {", "	if n == \"\" && s == nil {"}),
		in("./sip/transfer", "^TestBook_", Calls, "asked-another", "a call counts as transferred that another phone was asked to make",
			Edit{"sip/transfer/book.go", "}{who, string(message", "}{\"\", string(message"}),
		in("./sip/message", "^TestRequestURI_", Proxy, "request-uri-with-headers", "what a phone has in its Contact besides the address goes into request lines",
			Edit{"sip/message/uri.go", "	uri = uri[:len(uri)-len(u.Headers)]\n", ""}),
	}
}
