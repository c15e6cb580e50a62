package node

import (
	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/session"
)

// sessionSource gives the numbers of the T-Library sessions and of the calls
// that they hear of to /metrics.
type sessionSource struct{ n *Node }

// Samples implements api.Source.
func (s sessionSource) Samples(emit func(api.Sample)) {
	sessionSamples(s.n.control.Stats(), s.n.calls.Counts(), emit)
}

func sessionSamples(st session.Stats, calls call.Counts, emit func(api.Sample)) {
	emit(api.Sample{Name: "tlib_sessions", Help: "T-Library sessions that are connected.", Value: float64(st.Sessions)})
	emit(api.Sample{Name: "tlib_addresses", Help: "DNs registered by T-Library sessions, those in grace included.", Value: float64(st.Addresses)})
	emit(api.Sample{Name: "calls", Help: "Calls that this node has, those included that wait at a routing point.", Value: float64(calls.Own)})
	emit(api.Sample{Name: "calls_cluster", Help: "Calls of all nodes that were offered to a DN, as this node knows them.", Value: float64(calls.Up)})
	count := func(name, help string, v uint64) {
		emit(api.Sample{Name: name, Help: help, Counter: true, Value: float64(v)})
	}
	count("tlib_requests_total", "T-Library requests.", st.Requests)
	count("tlib_errors_total", "T-Library requests answered by EventError.", st.Refused)
	count("tlib_events_total", "T-Library events sent, answers included.", st.Events)
	count("tlib_dropped_total", "Sessions dropped because their client read nothing.", st.Dropped)
	count("calls_refused_total", "Invalid call events from peers, ignored.", calls.Refused)
}
