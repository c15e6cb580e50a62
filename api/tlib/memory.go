package tlib

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// place is a position in a node's streams of DNs and of calls.
type place struct{ incarnation, seq, callSeq uint64 }

// memory is what outlives a connection: what to ask for again at the next one.
// Guarded by Client.mu.
type memory struct {
	// dns are registered, in that mode.
	dns map[string]tlibpb.AddressMode
	// monitor is what MonitorAll asked for, nil when nothing; monitorRef is that
	// request's. whole: its snapshot ended, so its events can go on behind
	// monitored; heard is up to where the node told everything.
	monitor    *tlibpb.MonitorFilter
	monitorRef uint64
	whole      bool
	monitored  place
	heard      place
	// token is of the session at that address.
	token string
	addr  int
}

// opening is the request that opens the next session, at that address.
func (m *memory) opening(application string, addr int) *tlibpb.OpenSession {
	o := &tlibpb.OpenSession{Application: application}
	if m.token != "" && m.addr == addr {
		o.ResumeToken, o.ResumeIncarnation, o.ResumeSeq, o.ResumeCallSeq = m.token, m.heard.incarnation, m.heard.seq, m.heard.callSeq
	}
	return o
}

// opened learns what a new session is.
func (m *memory) opened(addr int, info *tlibpb.ServerInfo, resumed bool) {
	m.token, m.addr = info.GetSessionToken(), addr
	if !resumed || info.GetIncarnation() != m.heard.incarnation {
		m.heard = place{incarnation: info.GetIncarnation()}
	}
	m.monitorRef, m.whole = 0, false
}

// again are the requests that bring a new session to where the last one was.
func (m *memory) again(resumed bool) []*tlibpb.ClientMessage {
	var all []*tlibpb.ClientMessage
	if !resumed {
		for _, dn := range slices.Sorted(maps.Keys(m.dns)) {
			all = append(all, registerAddress(dn, m.dns[dn]))
		}
	}
	if m.monitor != nil {
		all = append(all, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{
			Filter: m.monitor, ResumeIncarnation: m.monitored.incarnation, ResumeSeq: m.monitored.seq, ResumeCallSeq: m.monitored.callSeq,
		}}})
	}
	return all
}

// asks learns from a request when it is sent: what is being given up is not
// asked for again.
func (m *memory) asks(req *tlibpb.ClientMessage) {
	switch b := req.GetBody().(type) {
	case *tlibpb.ClientMessage_UnregisterAddress:
		delete(m.dns, b.UnregisterAddress.GetDn())
	case *tlibpb.ClientMessage_MonitorAll:
		if m.monitor != b.MonitorAll.GetFilter() { // another one than before
			m.monitored = place{}
		}
		m.monitor, m.monitorRef, m.whole = b.MonitorAll.GetFilter(), req.GetReferenceId(), false
	case *tlibpb.ClientMessage_StopMonitor:
		m.monitor, m.monitorRef, m.whole, m.monitored = nil, 0, false, place{}
	}
}

// learns takes in an answer to one of the requests. What is refused at a new
// node stays wished for: the next one may be able to.
func (m *memory) learns(req *tlibpb.ClientMessage, e *tlibpb.Event) {
	refused := e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ERROR
	switch b := req.GetBody().(type) {
	case *tlibpb.ClientMessage_RegisterAddress:
		if dn := b.RegisterAddress.GetDn(); !refused {
			m.dns[dn] = b.RegisterAddress.GetMode()
		}
	case *tlibpb.ClientMessage_MonitorAll:
		if req.GetReferenceId() != m.monitorRef {
			return // replaced
		}
		if refused {
			m.monitor, m.monitorRef = nil, 0
			return
		}
		m.whole = true // the message's seq follows
	}
}

// hears takes in that everything up to seq and callSeq was told; 0 says nothing.
func (m *memory) hears(seq, callSeq uint64) {
	if callSeq != 0 {
		m.heard.callSeq = callSeq
	}
	if seq == 0 {
		return
	}
	m.heard.seq = seq
	if m.whole {
		m.monitored = m.heard
	}
}

// registerAddress is the request.
func registerAddress(dn string, mode tlibpb.AddressMode) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: dn, Mode: mode}}}
}

// withoutToken is the node's word without its secret.
func withoutToken(info *tlibpb.ServerInfo) *tlibpb.ServerInfo {
	info = proto.CloneOf(info)
	if info != nil {
		info.SessionToken = ""
	}
	return info
}
