package broken

// wireFaults are those of the composition root and of figures that nobody sees
// from outside until they matter, found by unit tests.
func wireFaults() []Fault {
	return append([]Fault{
		{
			Name: "first-address-again", Kind: Wires, What: "a node that was not told an address goes by another one after a boot", Package: "./node", Run: "^TestConfig_AnAddressThatCameFirst",
			Edits: []Edit{{"node/address.go", "if has(here, was.Addr()) {", "if has(here, was.Addr()) && !bound.Addr().IsUnspecified() {"}},
		},
		{
			Name: "metric-of-another", Kind: Wires, What: "a metric shows another one's value",
			Edits:   []Edit{{"node/metrics.go", "\"Registrations of a DN in service.\", st.Refreshes", "\"Registrations of a DN in service.\", st.Registrations"}},
			Package: "./node", Run: "^TestMetrics_",
		},
		{
			Name: "gone-unsaid", Kind: Wires, What: "the SIP port does not hear that a peer's process is no more",
			Edits:   []Edit{{"node/calls.go", "	n.sip.PeerGone(peer)", "	_ = peer"}},
			Package: "./node", Run: "^TestOrphans_",
		},
		{
			Name: "ports-swapped", Kind: Wires, What: "the default port says that it is the TCport",
			Edits:   []Edit{{"node/run.go", "api.NewTLibrary(n.control, session.DefaultPort)", "api.NewTLibrary(n.control, session.TCport)"}},
			Package: "./node", Run: "^TestCluster$",
		},
		{
			Name: "busy-unsaid", Kind: Wires, What: "nobody hears that a DN has a call",
			Edits:   []Edit{{"node/calls.go", "		n.table.Touch(changed)\n", "		_ = changed\n"}},
			Package: "./node", Run: "^TestUses_",
		},
		{
			Name: "no-goodbye", Kind: Wires, What: "a node that ends says no goodbye on its links",
			Edits:   []Edit{{"node/run.go", "	context.AfterFunc(ctx, n.links.Stop)\n", ""}},
			Package: "./node", Run: "^TestCluster$",
		},
		{
			Name: "agents-not-restored", Kind: Wires, What: "a node that starts does not give the table its agents back",
			Edits:   []Edit{{"node/node.go", "	n.agents.Restore()\n", ""}},
			Package: "./node", Run: "^TestCluster$",
		},
	}, boundFaults()...)
}

// boundFaults are those of the bounds of silence.
func boundFaults() []Fault {
	return []Fault{
		{
			Name: "log-waits", Kind: Bounds, What: "a log that nobody reads holds up the node",
			Edits:   []Edit{{"cmd/internal/server/logwriter.go", "	default:\n		w.dropped.Add(1)\n	}\n	return len(line), nil", "	case w.lines <- nil:\n	}\n	return len(line), nil"}},
			Package: "./cmd/internal/server", Run: "^TestLogWriter_",
		},
		{
			Name: "killed-by-its-log", Kind: Bounds, What: "a node ends when the reader of its log does",
			Edits:   []Edit{{"cmd/internal/server/reload.go", "syscall.SIGUSR1, syscall.SIGPIPE)", "syscall.SIGUSR1)"}},
			Package: "./cmd/sipcluster", Run: "^TestServer_ObeysSignals",
		},
		{
			Name: "watchdog-always-fed", Kind: Bounds, What: "a node that gives no sign of life is said to live",
			Edits:   []Edit{{"cmd/internal/server/notify.go", "			silent.Met(\"err\", err)\n", "			silent.Met(\"err\", err)\n			s.tell(\"WATCHDOG=1\")\n"}},
			Package: "./cmd/internal/server", Run: "^TestSupervisor_",
		},
		{
			Name: "nothing-kept-back", Kind: Bounds, What: "connections of strangers take the descriptors of links",
			Edits:   []Edit{{"node/intake/intake.go", "	free := descriptors - max(keptBack, descriptors/4)\n", "	free := descriptors\n"}},
			Package: "./node/intake", Run: "^TestShare_",
		},
		{
			Name: "log-of-a-loop", Kind: Bounds, What: "a fault that lasts fills the log",
			Edits:   []Edit{{"internal/lasting/lasting.go", "now.Sub(f.told) < Again {", "now.Sub(f.told) < 0 {"}},
			Package: "./internal/lasting", Run: "^TestFault_",
		},
		{
			Name: "pulse-not-felt", Kind: Bounds, What: "two lost packets end the connection of an idle client",
			Edits:   []Edit{{"node/intake/pulse.go", "		case info.Probes > 0:\n", "		case info.Probes > 99:\n"}},
			Package: "./node/intake", Run: "^TestClientPort_TheKernelNotices",
		},
		{
			Name: "talk-to-the-dead", Kind: Bounds, What: "what is sent to a machine that is gone keeps its connection up", Package: "./node/intake", Run: "^TestClientPort_WhoIsGone$",
			Edits: []Edit{{"node/intake/pulse.go", "(info.Probes > 0 || info.Unacked > 0)", "info.Probes > 0"}},
		},
		{
			Name: "no-keep-alive", Kind: Bounds, What: "the kernel asks no client's machine whether it is there",
			Edits:   []Edit{{"node/intake/pulse.go", "Enable: true, Idle: pulseAfter", "Enable: false, Idle: pulseAfter"}},
			Package: "./node/intake", Run: "^TestClientPort_TheKernelNotices",
		},
		{
			Name: "pings-punished", Kind: Bounds, What: "clients that ping each second are sent away",
			Edits:   []Edit{{"node/grpc.go", "MinTime: minPing", "MinTime: 4 * minPing"}},
			Package: "./node", Run: "^TestClientPort_PingsAreTaken",
		},
		{
			Name: "clients-pinged", Kind: Bounds, What: "clients that are idle have to answer pings",
			Edits:   []Edit{{"node/grpc.go", "{Time: math.MaxInt64}", "{Time: max(time.Second, math.MaxInt8)}"}},
			Package: "./node", Run: "^TestClientPort_PingsAreTaken",
		},
		{
			Name: "no-user-timeout-accepted", Kind: Bounds, What: "the kernel does not time a link at the end that accepted it",
			Edits:   []Edit{{"node/port/port.go", "		if to == p.GRPC {\n", "		if to == nil {\n"}},
			Package: "./node/port", Run: "^TestClusterPort_TheKernel",
		},
		{
			Name: "no-user-timeout-dialled", Kind: Bounds, What: "the kernel does not time a link at the end that dialled it",
			Edits:   []Edit{{"node/port/dialer.go", "if tcp := intake.Below(conn); tcp != nil {\n\t\tif conn, err = tcontroller", "if tcp := intake.Below(conn); tcp == nil {\n\t\tif conn, err = tcontroller"}},
			Package: "./node/port", Run: "^TestClusterPort_TheKernel",
		},
		{
			Name: "the-rest-waits", Kind: Bounds, What: "of a log that is too much for one message the rest waits until Raft asks again",
			Edits:   []Edit{{"node/consensus/pace.go", "		args.PrevLogEntry, args.PrevLogTerm, args.Entries = last.Index, last.Term, args.Entries[len(fits):]", "		args.Entries = args.Entries[:0]\n		_ = last"}},
			Package: "./node/consensus", Run: "^TestPaced_",
		},
		{
			Name: "long-lease", Kind: Bounds, What: "a leader that is cut off believes in itself for 2 s",
			Edits:   []Edit{{"node/consensus/group.go", "g.cfg.Election, g.cfg.Election, g.cfg.Election/2", "g.cfg.Election, g.cfg.Election, g.cfg.Election"}},
			Package: "./node/consensus", Run: "^TestSettings$",
		},
		{
			Name: "slow-gossip", Kind: Bounds, What: "gossip takes a second longer to hold a node dead",
			Edits:   []Edit{{"membership/membership.go", "mc.SuspicionMult, mc.SuspicionMaxTimeoutMult, mc.AwarenessMaxMultiplier = 4, 1, 1", "mc.SuspicionMult, mc.SuspicionMaxTimeoutMult, mc.AwarenessMaxMultiplier = 4, 6, 1"}},
			Package: "./membership", Run: "^TestSettings",
		},
	}
}
