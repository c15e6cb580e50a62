package broken

import "time"

// loginFaults are those of an agent who is logged in at one DN.
func loginFaults() []Fault {
	const rule = "^TestTable_OneLogin"
	return []Fault{
		unitFault("two-logins", "where an agent logged in earlier stays until its own node ends it", "./node/dn", rule,
			Edit{"node/dn/merge.go", "v.agent, v.hold = t.present(e, x.agentOf()), t.reservation(k)", "v.agent, v.hold = x.agentOf(), t.reservation(k)"}).
			by("cuts", 30*time.Second, "S29"),
		unitFault("login-by-the-wall-clock", "the login with the later wall clock counts", "./node/dn", rule,
			Edit{"node/dn/login.go", "max(t.cfg.Now().UnixNano(), t.maxClaim+1)", "t.cfg.Now().UnixNano()"}),
		unitFault("left-in-the-view-only", "the node of the earlier login never ends it, which is back when the later one ends", "./node/dn", rule,
			Edit{"node/dn/login.go", "	if k == nil || k.node != 0 {\n", "	if k == nil || k.node < 255 {\n"}),
		unitFault("login-untold", "a later login is seen by who asks, and told to nobody", "./node/dn", rule,
			Edit{"node/dn/login.go", "	for _, f := range others {\n", "	for _, f := range others[len(others):] {\n"}),
		unitFault("empty-desk-rings", "calls go to the DN that an agent left for another one", "./node/dn", rule,
			Edit{"node/dn/merge.go", "return !loginRequired && !s.Agent.Left()", "return !loginRequired"}),
		unitFault("left-and-reserved", "a reservation of who logged in elsewhere stays", "./node/agent", "^TestRegistry_ALoginTakes",
			Edit{"node/dn/login.go", "	x := *was.free()\n", "	x := *was\n"}),
		unitFault("login-claim-stays-at-home", "other nodes don't know which login is the later one", "./node/tcontroller", "^TestRecord_EveryField",
			Edit{"node/tcontroller/tcontroller.go", "Since: a.Since, Login: a.Login}", "Since: a.Since}"}),
		unitFault("second-login-allowed", "an agent logs in twice where that is to be refused", "./node/agent", "^TestRegistry_ALoginIsRefused",
			Edit{"node/agent/login.go", "s.Number != n && s.State == dn.InSrv {", "s.Number != n && s.State != dn.InSrv {"}),
		unitFault("refresh-loses-a-login", "a login at the moment of a move is lost when the old node has just refreshed the registration", "./node/dn", "^TestTable_WhatWasSaid",
			Edit{"node/dn/copy.go", "	if was.claim != 0 {\n		return t.takeLate", "	if was.claim != 0 {\n		return was.claim == rec.claim && t.takeLate"}),
		unitFault("logged-out-without-a-word", "a desktop is not told why its agent was logged out", "./node/session", "^TestLogin_",
			Edit{"node/session/event.go", "		case a.Left():\n", "		case a == nil:\n"}),
		unitFault("private-at-home", "a private registration excludes others at its own node alone", "./node/session", "^TestPrivate_",
			Edit{"node/dn/copy.go", "		t.noteDesk(e.number, &rec, &was, mine)\n", ""}),
		unitFault("shared-beside-private", "a shared registration that had lost the DN before stays beside a private one", "./node/session", "^TestPrivate_",
			Edit{"node/dn/copy.go", "		t.noteDesk(e.number, &rec, &was, nil)\n", ""}),
		unitFault("superseded-by-the-earlier", "a registration ends with an earlier one that is heard of late", "./node/session", "^TestPrivate_",
			Edit{"node/dn/desk.go", "return d.Node != o.Node && (d.Private || o.Private) && o.claim().Less(d.claim())", "return d.Private || o.Private"}),
		unitFault("private-phones-by-chance", "of two private registrations of a phone's DN one that is not the newest stays", "./node/dn", "^TestDesk_TheNewest",
			Edit{"node/dn/desk.go", "o.claim().Less(d.claim())", "d.claim().Less(o.claim())"}),
		unitFault("private-phones-one-claim", "two registrations of a phone's DN by clients of a node have the same claim", "./node/dn", "^TestDesk_TheNewest",
			Edit{"node/dn/desk.go", "t.cfg.Floor+1, t.seatClaim+1)", "t.cfg.Floor+1)"}),
		unitFault("private-phones-moved-untold", "a node is not told that a phone has moved to one that knows nothing of its clients", "./node/dn", "^TestDesk_TheNewest",
			Edit{"node/dn/desk.go", "	if is.seats() == nil || !is.seats().Equal(was.seats()) {", "	if was.seats() != nil && !is.seats().Equal(was.seats()) {"}),
		unitFault("private-phones-at-home", "a private registration of a phone's DN excludes others at its own node alone", "./node", "^TestDesk_ThePrivate",
			Edit{"node/session/superseded.go", "		as.endExcluded(n, a, &st)\n", "		_ = as.endExcluded\n"}),
		unitFault("superseded-without-a-word", "a desktop that was away is not told that it has lost its DN", "./node/session", "^TestPrivate_",
			Edit{"node/session/session.go", "\"dns\", len(s.feeder.audience.dns))\n		s.tellLost()\n", "\"dns\", len(s.feeder.audience.dns))\n"}),
		unitFault("takes-it-back", "a client that lost its connection takes back what another one has taken over", "./api/tlib", "^TestReconnect_Leaves",
			Edit{"api/tlib/session.go", "		s.c.memory.loses(e)\n", ""}),
	}
}
