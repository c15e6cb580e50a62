package broken

// diagnosisFaults are those of what an operator is told when he asks why.
func diagnosisFaults() []Fault {
	return []Fault{
		unitFault("why-forgets-the-cool-down", "a DN that cools down gets no calls, and every condition is met", "./api/dnview", "^TestConditions",
			Edit{"api/dnview/conditions.go", "st.CoolUntil == 0, onOff", "true, onOff"}),
		unitFault("why-waits-for-nobody", "what the other nodes believe is missing in the answer", "./api", "^TestDiagnosis",
			Edit{"api/diagnosis.go", "	asked.Wait()\n", ""}),
		unitFault("why-believes-names", "what a node says of itself is told under the name that it gives", "./api", "^TestDiagnosis",
			Edit{"api/diagnosis.go", "v := &tcpb.DNView{Node: n.GetName(), Site: n.GetSite(), Status: answer", "v := &tcpb.DNView{Node: cmp.Or(answer.GetNode(), n.GetName()), Site: n.GetSite(), Status: answer"}),
		unitFault("bundle-trusts-names", "a node chooses the names of files in a bundle", "./cmd/internal/support", "^TestBundle",
			Edit{"cmd/internal/support/bundle.go", "!slices.Contains(reportNames, f.GetName()) || ", "!slices.Contains(append(reportNames, f.GetName()), f.GetName()) || "}),
		unitFault("bundle-with-digests", "a bundle has the digests of passwords", "./cmd/sipcluster", "^TestSupport",
			Edit{"cmd/internal/support/bundle.go", "&configpb.ExportRequest{}", "&configpb.ExportRequest{Secrets: true}"}),
		unitFault("past-of-one-block", "older events are not found behind many of others", "./node/history", "^TestStore_",
			Edit{"node/history/ring.go", "		if b.first <= begin {\n", "		if i >= 0 {\n"}),
		unitFault("past-grows", "every event that there ever was stays in memory", "./node/history", "^TestStore_",
			Edit{"node/history/ring.go", "(r.size > r.bytes || r.count-r.blocks[0].n >= r.events)", "r.size < 0"}),
		unitFault("events-told-by-all", "what several nodes know is told by each of them", "./node", "^TestEvents_",
			Edit{"api/events.go", "(req.GetEachNode() || a.tells(e.By, e.At))", "(req != nil || a.tells(e.By, e.At))"}),
		unitFault("a-page-begins-late", "the next page of events leaves out the newest one before this page", "./api", "^TestListEvents_",
			Edit{"api/events_page.go", "next[k] = oldest.GetPosition()", "next[k] = max(oldest.GetPosition(), 1) - 1"}),
		unitFault("a-page-forgets-the-silent", "events of a node that was silent for a page are on no later one", "./api", "^TestListEvents_",
			Edit{"api/events_page.go", "place, kept = old, true", "place.Position, kept = &tcpb.EventsPosition{}, true"}),
		in("./api", "^TestWatchEvents_", Streams, "followed-beyond-what-was-told", "who follows events and loses the node within a message goes on behind what it was never told",
			Edit{"api/events_tail.go", "to.Next[k] = q.events[0].GetPosition()", "to.Next[k] = p.end.GetNext()[k]"}),
		in("./api", "^TestWatchEvents_", Streams, "followed-from-the-silence", "what a silent node told meanwhile is not told when it is back",
			Edit{"api/events_tail.go", "		place.Silent = true\n		return &tcpb.EventsNode", "		place.Silent, place.Position, place.Time = true, nil, t.looked\n		return &tcpb.EventsNode"}),
		unitFault("a-trace-with-passwords", "the password in a Request-URI is remembered", "./sip/trace", "^TestLog_",
			Edit{"sip/trace/glance.go", "; has { // a password", "; has && false { // a password"}),
		unitFault("a-trace-grows", "every message that there ever was stays in memory", "./sip/trace", "^TestLog_",
			Edit{"sip/trace/trace.go", "if len(r.pages) >= r.max {", "if r.max < 0 {"}),
	}
}
