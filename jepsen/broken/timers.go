package broken

// timerFaults are those of timers that are not started, armed again or stopped,
// and of what waits for one that it should not wait for.
func timerFaults() []Fault {
	const client, server, attempt = "sip/transaction/client.go", "sip/transaction/server.go", "sip/proxy/attempt.go"
	sip := func(kind Kind, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: edits, Package: "./sip", Run: "^Test(Timers|Schedule)_"}
	}
	return []Fault{
		{
			Name: "alarm-of-the-100-stays", Kind: Timers, What: "a fast refusal over a connection is repeated as if it went by datagrams",
			Edits:   []Edit{{server, "\t\ts.again.Stop() // the 100 is not needed any more\n", ""}},
			Package: "./sip/transaction", Run: "^TestServer_AFailureOverAConnection",
		},
		sip(Timers, "timer-a-rings-on", "a provisional response does not stop timer A",
			Edit{client, "if c.state != calling && (c.invite || c.state != trying) {", "if c.state != calling && c.state != trying {"},
			Edit{client, "\t\tc.again.Stop()\n\t\tc.end.Stop()\n\t\tif c.cancel", "\t\tc.end.Stop()\n\t\tif c.cancel"}),
		sip(Timers, "no-timer-c-for-re-invite", "a re-INVITE may ring for ever",
			Edit{"sip/proxy/relay.go", "\t\tx.alarm.Set(rs.timerC)", "\t\t_ = rs.timerC"}),
		sip(Timers, "timer-c-once", "timer C is not begun anew by what rings",
			Edit{attempt, "\t\tif a.c.invite {\n\t\t\ta.timerC.Set(a.c.in.timerC)\n\t\t}\n", ""}),
		sip(Timers, "timer-g-unbounded", "a failure is repeated at ever longer intervals",
			Edit{server, "s.every = min(2*s.every, s.layer.t.T2)", "s.every *= 2"}),
		sip(Timers, "timer-h-missing", "a failure whose ACK never comes is repeated for ever",
			Edit{server, "\t\t\ts.again.Set(s.every)\n\t\t}\n\t\ts.end.Set(64 * t.T1)", "\t\t\ts.again.Set(s.every)\n\t\t}"}),
		sip(Timers, "acked-stays", "an acknowledged 2xx is kept for 64*T1",
			Edit{server, "\t\ts.acked = true\n\t\ts.end.Set(s.layer.t.T4)", "\t\ts.acked = true"}),
		sip(Timers, "no-last-words", "a phone that says nothing of its CANCEL holds the caller",
			Edit{attempt, "\ta.lastWords.Set(lastWords * a.c.sh.T1())\n", ""}),
		sip(Timers, "missed-pings-count-for-ever", "an answer to a ping does not forgive those that were missed",
			Edit{"sip/ping.go", "	if ours {\n		p.forget(pr)\n", "	if ours {\n		delete(p.open, pr.branch)\n		pr.branch = \"\"\n"}),
		sip(Latency, "cancel-late", "a CANCEL goes out 2 s late, with what repeats it",
			Edit{client, "c.cancel = true; c.state == trying {\n\t\tc.sendCancel()", "c.cancel = true; c.state == trying {\n\t\tc.layer.clock.late(c)"},
			Edit{client, "// sendCancel sends", "func (c *Clock) late(x *Client) {\n\ttime.AfterFunc(2*time.Second, func() {\n\t\tx.layer.Lock()\n\t\tdefer x.layer.Unlock()\n\t\tx.sendCancel()\n\t})\n}\n\n// sendCancel sends"}),
		sip(Latency, "cancel-forgotten", "a CANCEL that came before the first provisional response is never sent",
			Edit{client, "\t\tif c.cancel {\n\t\t\tc.sendCancel()\n\t\t}\n", ""}),
		{
			Name: "visit-unbounded", Kind: Timers, What: "a call waits at a routing point for an hour",
			Edits:   []Edit{{"node/routing/stay.go", "	maxVisit = 10 * time.Minute", "	maxVisit = time.Hour"}},
			Package: "./node/routing", Run: "^TestSchedule_",
		},
	}
}
