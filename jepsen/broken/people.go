package broken

import "time"

// peopleFaults are those of what is about agents, callers and routers rather
// than packets: each is a line that somebody may well change, and the table of
// a unit test sees it.
func peopleFaults() []Fault {
	const session, routing, calls = "./node/session", "./node/routing", "./node/call"
	return []Fault{
		{
			Name: "silent-client", Kind: Timers, What: "a session that was opened is timed out as if it had not been",
			Edits:   []Edit{{"node/session/outbox.go", "	o.sending.Stop()\n	o.sending = time.AfterFunc", "	o.sending = time.AfterFunc"}},
			Package: session, Run: "TestSession_AnOpenOneMayBeSilent",
		},
		{
			Name: "late-grace", Kind: Registrations, What: "of several gateways that are gone not the first one's grace is waited for",
			Edits:   []Edit{{"node/session/address.go", "next = min(next, left)", "next = time.Hour"}},
			Package: session, Run: "TestSession_EachGraceEndsByItself",
		},
		{
			Name: "watcher-asks", Kind: Agents, What: "who only monitors a DN may log its agent out",
			Edits:   []Edit{{"node/session/address.go", "return ok && m != tlibpb.AddressMode_ADDRESS_MODE_MONITOR", "return ok && m != 0"}},
			Package: session, Run: "TestAgent_OnlyWhoHoldsTheDNMayAsk",
		},
		{
			Name: "no-reasons", Kind: Agents, What: "an agent's event leaves its reasons out",
			Edits:   []Edit{{"node/session/event.go", "o.of.Reasons[r.Key] = r.Value", "_ = r"}},
			Package: session, Run: "TestEvents_OfAnAgent",
		},
		{
			Name: "dials-unheard", Kind: Calls, What: "clients don't hear of a phone that begins a call",
			Edits:   []Edit{{"node/call/table.go", "ev.Kind == Ringing || ev.Kind == Established || ev.Kind == Dialing {", "ev.Kind == Ringing || ev.Kind == Established {"}},
			Package: session, Run: "TestCalls_WhoDialsIsToldOf",
		},
		{
			Name: "data-untold", Kind: Calls, What: "a change of a call's user data is told with the next event only",
			Edits:   []Edit{{"node/call/own.go", "t.happen(e, e.call.event(DataChanged, &p, at, 0))", "_, _ = p, at"}},
			Package: session, Run: "TestUpdateUserData_",
		},
		{
			Name: "held-holds", Kind: Calls, What: "who is held in silence and refreshes the session counts as holding the call",
			Edits:   []Edit{{"sip/dialog/media.go", "	if t.last[s] = now; now != was {", "	if t.last[s] = now; now|was != noMedia {"}},
			Package: "./sip/dialog", Run: "TestTalk_",
		},
		{
			Name: "held-at-first-only", Kind: Snapshots, What: "a snapshot shows a held call as one that is not",
			Edits:   []Edit{{"node/call/call.go", "		rows = append(rows, *c.event(Held,", "		_ = append(rows, *c.event(Held,"}},
			Package: session, Run: "TestEvents_",
		},
		{
			Name: "transfer-unmarked", Kind: Calls, What: "a call that was asked for by a REFER is a new one",
			Edits:   []Edit{{"node/routing/journey.go", "	if x := o.Transfer; x != nil {", "	if x := o.Transfer; x != nil && x.By == o.DN {"}},
			Package: "./node", Run: "TestTransfer_",
		},
		{
			Name: "transfer-twice", Kind: Calls, What: "who stays in a call that is transferred is told of its end and of another call",
			Edits:   []Edit{{"node/call/table.go", "	if len(t.heirs) > 0 {\n", "	if len(t.heirs) > MaxCalls {\n"}},
			Package: calls, Run: "TestTransfer_",
		},
		{
			Name: "transfer-lost", Kind: Calls, What: "a call that was handed over ends before the other one is over",
			Edits:   []Edit{{"node/call/transfer.go", "e.handed && !t.claimed(e) {", "e.handed {"}},
			Package: calls, Run: "TestTransfer_",
		},
		{
			Name: "agreed-is-calling", Kind: Calls, What: "who has agreed to call somebody stays in the call as long as who says that it calls",
			Edits:   []Edit{{"node/routing/transfer.go", "		d = notifyWait\n", "		d = claimWait\n"}},
			Package: "./node/routing", Run: "^TestLeave_",
		},
		{
			Name: "failed-still-calls", Kind: Calls, What: "who says that its call has failed stays in the call for who has asked",
			Edits:   []Edit{{"sip/dialog/table.go", "f.Calling(at.By, status < 300)", "f.Calling(at.By, true)"}},
			Package: "./sip", Run: "^TestReferred_",
		},
		{
			Name: "told-after-the-end", Kind: Calls, What: "what a phone tells of a transfer behind the BYE of who asked is not heard",
			Edits:   []Edit{{"sip/dialog/table.go", "	list := append(followers(d.open[k]), d.linger[k].hear...)\n", "	list := followers(d.open[k])\n"}},
			Package: "./sip", Run: "^TestReferred_",
		},
		Fault{
			Name: "handed-over-for-good", Kind: Calls, What: "a call that was handed over and goes on by none never ends",
			Edits:   []Edit{{"node/call/transfer.go", "	defer t.mu.Unlock()\n	t.unclaimed(id)\n", "	t.mu.Unlock()\n"}},
			Package: calls, Run: "^TestTransfer_NobodyGoes",
		}.by("carriers-in-peace", 30*time.Second, "S34"),
		{
			Name: "user-event-at-home", Kind: Streams, What: "what a client distributes is told at its own node only",
			Edits:   []Edit{{"node/call/userevent.go", "	t.own.add(e)\n", ""}},
			Package: session, Run: "TestDistribute_",
		},
		{
			Name: "any-version", Kind: Streams, What: "a client of another version of the protocol gets a session",
			Edits:   []Edit{{"node/session/session.go", "v != tlibpb.ProtocolVersion {", "v > 1<<30 {"}},
			Package: session, Run: "TestVersion_",
		},
		{
			Name: "repeated-refused", Kind: Agents, What: "a request about an agent that is repeated changes the state's time",
			Edits:   []Edit{{"node/agent/change.go", "slices.Equal(a.Reasons, r.Agent.Reasons) {", "len(a.Reasons) > dn.MaxReasons {"}},
			Package: "./node/agent", Run: "TestAgentChange_Decide",
		},
		{
			Name: "page-of-another-question", Kind: Streams, What: "a page token goes on with another filter",
			Edits:   []Edit{{"api/pagetoken.go", "	if !bytes.Equal(b[:questionSum], p.sum) {", "	if !bytes.Equal(b[:questionSum], b[:questionSum]) {"}},
			Package: "./api", Run: "TestAvailability_BadRequests",
		},
		{
			Name: "others-calls", Kind: Streams, What: "a monitor of one owner's DNs hears of everybody's calls",
			Edits:   []Edit{{"node/session/audience.go", "	return name == a.monitor.owner", "	return name != \"\""}},
			Package: session, Run: "TestMonitorAll_WhatAFilterLetsPass",
		},
		{
			Name: "asked-for-ever", Kind: Bounds, What: "an answered request keeps its place among those of its session",
			Edits:   []Edit{{"node/session/ask.go", "	a.n--\n", ""}},
			Package: session, Run: "TestSession_AsksSoMuchAtOnce",
		},
		{
			Name: "idle-since-login", Kind: Calls, What: "an agent who has just become ready counts as idle since the DN registered",
			Edits:   []Edit{{"node/dn/ranks.go", "max(k.idle, s.Agent.Since)", "min(k.idle, s.Agent.Since)"}},
			Package: routing, Run: "TestStrategy_WhoIsIdleTheLongest",
		},
		{
			Name: "sleeping-queue", Kind: Calls, What: "a call that leaves the queue does not wake the next one",
			Edits:   []Edit{{"node/routing/queue.go", "	q.of[group] = rest\n	wakeFirst(rest)\n", "	q.of[group] = rest\n"}},
			Package: routing, Run: "TestQueue_WakesTheFirst",
		},
		{
			Name: "old-feed", Kind: Links, What: "a link that was replaced goes on writing the copy of a peer",
			Edits:   []Edit{{"node/feed/fence.go", "if d.f.feed != d.no {", "if d.f.feed < d.no {"}},
			Package: "./node/feed", Run: "TestFence_",
		},
		{
			Name: "user-data-grow", Kind: Bounds, What: "the user data of a call have no bound in bytes",
			Edits:   []Edit{{"node/call/check.go", "if n > MaxUserDataBytes {", "if n > MaxUserData*MaxUserDataBytes {"}},
			Package: calls, Run: "TestCheckUserData",
		},
		{
			Name: "public-nonce", Kind: Registrations, What: "every node signs its nonces with the same key",
			Edits:   []Edit{{"sip/digest/server.go", "	rand.Read(key[:]) // never", "	_ = rand.Reader // never"}},
			Package: "./sip/digest", Run: "TestNonce|TestCheck_NobodyMakesANonce",
		},
		{
			Name: "foreign-cancel", Kind: Proxy, What: "a CANCEL leaves with another CSeq than its INVITE",
			Edits:   []Edit{{"sip/message/forward.go", "dst = strconv.AppendUint(dst, uint64(n), 10)", "dst = strconv.AppendUint(dst, uint64(n)+1, 10)"}},
			Package: "./sip/message", Run: "TestAppendHopRequest",
		},
	}
}
