package node

import (
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/problem"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	"github.com/sipcluster/sipcluster/sip/answer"
)

// sipSource gives the SIP port's and the links' numbers to /metrics.
type sipSource struct{ n *Node }

// Samples implements api.Source.
func (s sipSource) Samples(emit func(api.Sample)) {
	emit(api.Sample{Name: "build_info", Help: "1: what runs here, as which node.", Labels: []string{"version", s.n.cfg.Version, "node", s.n.cfg.Name, "site", s.n.cfg.Site}, Value: 1})
	sipSamples(s.n.sip.Stats(), emit)
	s.n.trunkSamples(emit)
	for k, h := range s.n.history.Held() {
		kind := history.Kind(k).String()
		emit(api.Sample{Name: "history_events", Help: "Events that are remembered, by kind.", Label: "kind", LabelValue: kind, Value: float64(h.Events)})
		emit(api.Sample{Name: "history_bytes", Help: "Memory that they take.", Label: "kind", LabelValue: kind, Value: float64(h.Bytes)})
		if h.Events > 0 {
			emit(api.Sample{Name: "history_oldest_timestamp_seconds", Help: "When the oldest event happened that is remembered.", Label: "kind", LabelValue: kind, Value: float64(h.Oldest) / 1e9})
		}
	}
	emit(api.Sample{Name: "call_trace_bytes", Help: "Memory that remembers the SIP messages of calls, at most --call-trace-memory.", Value: float64(s.n.trace.Size())})
	emit(api.Sample{Name: "configuration_restores_total", Help: "Snapshots that replaced this node's configuration.", Counter: true, Value: float64(s.n.machine.Restores())})
	peerSamples(s.n.gossip.Doubted(), s.n.mesh.Status(), emit)
	view := s.n.machine.View()
	streamSamples(s.n.sip.PeerStreams(), func(id dn.Node) string { return view.Node(string(id)).GetName() }, emit)
}

func streamSamples(standing map[dn.Node]int, name func(dn.Node) string, emit func(api.Sample)) {
	for id, n := range standing {
		emit(api.Sample{Name: "sip_peer_streams", Help: "Streams to the peer that carry SIP; without one no call goes there.", Label: "peer", LabelValue: name(id), Value: float64(n)})
	}
}

func sipSamples(st answer.Stats, emit func(api.Sample)) {
	count := func(name, help string, v uint64) {
		emit(api.Sample{Name: name, Help: help, Counter: true, Value: float64(v)})
	}
	count("sip_registrations_total", "Registrations that put a DN in service.", st.Registrations)
	count("sip_refreshes_total", "Registrations of a DN in service.", st.Refreshes)
	count("sip_removals_total", "Bindings removed by un-REGISTER.", st.Removals)
	count("sip_expirations_total", "Bindings that ended by themselves.", st.Expirations)
	count("sip_dropped_total", "DNs given up for a newer registration at a peer.", st.Dropped)
	count("sip_challenges_total", "Digest challenges (401).", st.Challenges)
	count("sip_challenges_stale_total", "Digest challenges with stale=true.", st.Stale)
	count("sip_fast_total", "Messages that took the fast path.", st.Fast)
	count("sip_plain_total", "Messages that took the plain path.", st.Plain)
	count("sip_malformed_total", "Messages refused as malformed.", st.Malformed)
	count("sip_calls_total", "Calls that began at this node.", st.Calls)
	count("sip_overload_total", "Calls and registrations refused by the rate limit (503).", st.Overload)
	count("sip_wrong_passwords_total", "Wrong passwords that were tried.", st.WrongPasswords)
	count("sip_silenced_total", "Requests that were not answered because their source had tried too many passwords.", st.Silenced)
	count("sip_late_total", "Calls refused (503) because more came than was served.", st.Late)
	count("sip_kernel_drops_total", "Datagrams that the kernel had no room for.", st.KernelDrops)
	count("sip_shed_total", "Datagrams that were not looked at because their source sent more than could be served.", st.Shed)
	count("sip_panics_total", "Requests whose handler panicked.", st.Panics)
	count("location_flush_failures_total", "Answers given although the location store could not be written.", st.FlushFailures)
	emit(api.Sample{Name: "sip_overloaded", Help: "1 while more comes than is served.", Value: float64(st.Overloaded)})
	emit(api.Sample{Name: "sip_receive_buffer_bytes", Help: "How many bytes of datagrams may wait to be read.", Value: float64(st.Room)})
	emit(api.Sample{Name: "sip_bindings", Help: "Bindings of the DNs registered here.", Value: float64(st.Bindings)})
	emit(api.Sample{Name: "sip_connections", Help: "Open SIP connections.", Value: float64(st.Connections)})
	for code, v := range st.Rejects {
		emit(api.Sample{Name: "sip_rejects_total", Help: "Final answers of 300 and up.", Counter: true, Label: "code", LabelValue: strconv.Itoa(code), Value: float64(v)})
	}
}

func peerSamples(doubted uint64, peers []tcontroller.PeerStatus, emit func(api.Sample)) {
	emit(api.Sample{Name: "gossip_doubted_total", Help: "Gossip verdicts ignored because this process had been stalled.", Counter: true, Value: float64(doubted)})
	for _, p := range peers {
		peer := func(name, help string, v uint64) {
			emit(api.Sample{Name: name, Help: help, Counter: true, Label: "peer", LabelValue: p.Name, Value: float64(v)})
		}
		peer("peer_losses_total", "How often the peer was lost.", p.Losses)
		for reason, v := range p.LossesBy {
			emit(api.Sample{Name: "peer_verdicts_total", Help: "How often the peer was lost, by the reason of the verdict.", Counter: true, Labels: []string{"peer", p.Name, "reason", reason}, Value: float64(v)})
		}
		peer("peer_vetoes_total", "Gossip verdicts that a fresh link overruled.", p.Vetoes)
	}
}

// securitySource gives the counts of security events.
type securitySource struct{ events *security.Events }

// Samples implements api.Source.
func (s securitySource) Samples(emit func(api.Sample)) {
	s.events.Counts(func(kind security.Kind, n uint64) {
		emit(api.Sample{Name: "security_events_total", Help: "Security events; the log has a line for each, as far as they are not too many.", Counter: true, Label: "event", LabelValue: string(kind), Value: float64(n)})
	})
}

// diskSource tells for how long each store waits for its disk.
type diskSource struct{ n *Node }

// Samples implements api.Source.
func (s diskSource) Samples(emit func(api.Sample)) {
	waits := map[string]float64{}
	for _, d := range s.n.disks() {
		if since := d.Since(); !since.IsZero() {
			waits[d.Store] = max(waits[d.Store], time.Since(since).Seconds())
		} else {
			waits[d.Store] += 0
		}
	}
	for store, seconds := range waits {
		emit(api.Sample{Name: "disk_wait_seconds", Help: "How long the store's oldest call into the file system has been under way; 0: none is.", Label: "store", LabelValue: store, Value: seconds})
	}
}

// problemSource gives the open faults by their kind.
type problemSource struct{ problems *problem.Set }

// Samples implements api.Source.
func (s problemSource) Samples(emit func(api.Sample)) {
	s.problems.Counts(func(code string, n int) {
		emit(api.Sample{Name: "problem", Help: "Open faults by kind; sipcluster status says what to do.", Label: "code", LabelValue: code, Value: float64(n)})
	})
}
