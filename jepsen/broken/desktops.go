package broken

// desktopFaults are those of an agent whose desktop is lost.
func desktopFaults() []Fault {
	return []Fault{
		unitFault("next-desktop-inherits-ready", "who registers a DN next has the agent of a desktop that was lost, ready", "./node/session", "^TestDesktop_TheNextOne",
			Edit{"node/session/desktop.go", "	if !as.stopped {\n		l =", "	if as.stopped {\n		l ="}),
		unitFault("desktop-policy-of-options-only", "what becomes of an agent without a desktop is the same for all", "./node/session", "^TestDesktop_TheNextOne",
			Edit{"node/agent/desktop.go", "	case configpb.DesktopLost_DESKTOP_LOST_LOGOUT:\n		return dn.LossLogout\n", ""}),
		unitFault("desktop-lost-by-a-move", "an agent who goes to another node is not ready when the old desktop ends", "./node/dn", "^TestTable_TheOldDesktops",
			Edit{"node/dn/copy.go", "!rec.bereaved() && ", ""}),
		unitFault("desktop-awaited-for-ever", "an agent stays ready whose node and desktop are gone for good", "./node/dn", "^TestTable_ADesktopTakes",
			Edit{"node/dn/desktop.go", "return o.heard || t.clock() < o.lostClock+int64(grace)", "return o.heard || t.clock() < o.lostClock+int64(grace)+1<<62"}),
		unitFault("desktop-lost-with-its-node", "a node that stops takes the ready from all its agents", "./node/session", "^TestDesktop_IsNotLost",
			Edit{"node/session/address.go", "	as.stopped = true\n", ""}),
		unitFault("desktop-loss-forgotten", "an agent whose desktop does not come back after a restart is ready for the next one", "./node/agent", "^TestDesktop_MayCome",
			Edit{"node/agent/restore.go", "		reg.watchDesktop(&own)\n", ""}),
		unitFault("desktop-loss-wraps-up", "an agent whose desktop is lost is ready again when the wrap-up ends", "./node/dn", "^TestTable_TheNextDesktop",
			Edit{"node/dn/desktop.go", "y.agent, y.ends, y.said = a, 0,", "y.agent, y.ends, y.said = a, y.ends,"}),
		unitFault("desktop-keeps-nothing", "a desktop that is still there has lost its DN to one that is gone", "./node/session", "^TestDesktop_HasBack",
			Edit{"node/session/desktop.go", "		a.claim = r.ClaimTime\n	}\n}\n", "		as.cfg.Table.End(n, r.ClaimTime, dn.Unregistered)\n	}\n}\n"}),
		unitFault("desktop-takes-back-too-much", "a desktop takes its DN from whoever registered it since", "./node/dn", "^TestTable_TakesBack",
			Edit{"node/dn/desktop.go", "r.claim = e.maxClaim() + 1 })", "r.claim = e.maxClaim() + 1e12 })"}),
		unitFault("desktop-loss-untold", "the node of a phone's DN is not told of a desktop that was lost while it was not heard", "./node/agent", "^TestDesktop_OfAPhone",
			Edit{"node/agent/seats.go", "		case st.Keeper == reg.table.Self() || reg.table.Heard(st.Keeper):\n", "		case st.Keeper != reg.table.Self() && !reg.table.Heard(st.Keeper):\n			reg.seats.told(x)\n		default:\n"}),
		unitFault("desktop-node-lost-for-nothing", "an agent at a phone stays ready whose desktop's node is gone for good", "./node/agent", "^TestDesktop_OfAPhoneWhose",
			Edit{"node/agent/seats.go", "is && away >= grace {", "is && away >= 1000*grace {"}),
		unitFault("desktop-node-lost-at-once", "an agent at a phone is not ready as soon as the node of his desktop is not heard", "./node/agent", "^TestDesktop_OfAPhoneWhose",
			Edit{"node/agent/seats.go", "is && away >= grace {", "is && away >= 0*grace {"}),
		unitFault("desktop-of-another-process", "a desktop is believed to be there whose node has been started again", "./node/agent", "^TestDesktop_OfAPhoneWhose",
			Edit{"node/dn/desk.go", "o.heard && o.fence.Incarnation() == d.Incarnation:", "o.heard:"}),
		unitFault("desktop-lost-though-elsewhere", "an agent at a phone loses the ready although another desktop has registered it", "./node/agent", "^TestDesktop_OfAPhoneAt",
			Edit{"node/agent/seats.go", "x.desk.Claim); r.Desks == nil {", "x.desk.Claim); r.Number != \"\" {"}),
		unitFault("desktop-forgotten-by-the-keeper", "the node of a phone forgets by a restart that a client has its DN", "./node/agent", "^TestDesktop_OfAPhoneIsKnown",
			Edit{"node/agent/restore.go", "		own.Desks = r.Desks\n", ""}),
	}
}
