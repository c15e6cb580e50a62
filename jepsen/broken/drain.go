package broken

import "time"

// drainFaults are those of S26: a drain loses nobody.
func drainFaults() []Fault {
	const upkeep, desk = "sip/registrar/upkeep.go", "node/session/drain.go"
	in := func(pkg, run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Registrations, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		in("./sip/registrar", "^TestDrain_", "drain-takes-all", "phones are out of service as soon as their node drains",
			Edit{upkeep, "if is := g.cfg.Drained(); is", "if is := g.cfg.Draining(); is"}).by("drains", 20*time.Second, "S26"),
		in("./sip/registrar", "^TestDrain_", "undo-forgets", "who is out of service at the deadline stays so when the drain is undone",
			Edit{upkeep, "turn, from, reason := g.cfg.Table.Resume, dn.OOS, dn.Registered\n", "turn, from, reason := g.cfg.Table.Resume, dn.InSrv, dn.Registered\n"}),
		in("./sip/registrar", "^TestDrain_", "deadline-drops", "the deadline of a drain drops what phones believe to have",
			Edit{upkeep, "g.keep(rec, e.Bindings)\n\t}\n\treturn ok", "g.cfg.Store.Put(&location.Entry{Record: rec})\n\t}\n\treturn ok"}),
		in("./sip/registrar", "^TestDrain_", "undo-takes-back", "an undone drain takes DNs back that registered elsewhere meanwhile",
			Edit{upkeep, "\trec, ok := turn(n, e.Record.ClaimTime, reason)\n", "\trec, ok := turn(n, e.Record.ClaimTime, reason)\n\tif from == dn.OOS {\n\t\trec, ok = g.cfg.Table.Register(n, reason), true\n\t}\n"}),
		in("./sip/registrar", "^TestDrain_", "drain-refuses-farewell", "a draining node refuses un-REGISTER",
			Edit{"sip/registrar/register.go", "\t\treturn c.expires > 0 || c.expires < 0 && r.Expires != 0\n", "\t\treturn c.expires >= 0 || r.Expires >= -1\n"}).by("drains", 20*time.Second, "S26"),
		in("./sip", "^TestDrain_", "drain-takes-calls", "a draining node takes new calls from trunks",
			Edit{"sip/proxy/callers.go", `case method == "INVITE" && cs.draining():`, `case method == "" && cs.draining():`}).by("drains", 20*time.Second, "S26"),
		in("./sip", "^TestDrain_", "drain-says-ok", "a draining node answers OPTIONS by 200",
			Edit{"sip/handlers.go", "case s.cfg.Draining() && (", "case s.cfg.Drained() && ("}),
		in("./sip", "^TestDrain_", "drain-hides-phones", "a draining node answers OPTIONS for a phone's DN by 503",
			Edit{"sip/handlers.go", "case s.cfg.Draining() && (toNode", "case s.cfg.Draining() && (true"}).by("drains", 20*time.Second, "S26"),
		in("./node/session", "^TestDrain_", "drain-takes-desktops", "the DNs of a desktop gateway are out of service as soon as their node drains",
			Edit{desk, "if drained := !end.IsZero() && !now.Before(end); drained", "if drained := self.GetDraining(); drained"}),
		in("./node", "^TestDrainClock_", "drain-by-the-wall-clock", "a wrong clock ends a drain at once, or an hour late",
			Edit{"node/drain.go", "	if lasts > 0 {", "	if lasts > 0 && whole < 0 {"}),
		in("./node", "^TestDrainClock_", "drain-begins-anew", "a node that restarts drains for the whole time again",
			Edit{"node/drain.go", "	if !c.begun {\n", "	if !c.begun && until == 0 {\n"}),
		in("./node/session", "^TestDrain_", "drain-untold", "a desktop gateway hears nothing of a drain",
			Edit{desk, "\t\t\t\tr.holder.drains.Send()\n", "\t\t\t\t_ = r.holder.drains\n"}),
		in("./api", "^TestDrainNode_Deadline", "deadline-forgotten", "who asks for a drain again takes its deadline away",
			Edit{"api/cluster.go", "\t\tdefault:\n\t\t\tchanged.Draining = true\n", "\tdefault:\n\t\tchanged.Draining, changed.DrainUntilMs = true, 0\n"}),
	}
}
