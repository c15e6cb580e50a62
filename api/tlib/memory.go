package tlib

import (
	"maps"
	"slices"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// memory is what outlives a connection: what to ask for again at the next one.
// Guarded by Client.mu.
type memory struct {
	// dns are registered, in that mode.
	dns map[string]tlibpb.AddressMode
	// monitor is what MonitorAll asked for, nil when nothing; monitorRef is that
	// request's. whole: its snapshot ended, so its events can go on behind
	// monitored; heard is up to where the node told everything. Both are cursors.
	monitor    *tlibpb.MonitorFilter
	monitorRef uint64
	whole      bool
	monitored  []byte
	heard      []byte
	// token is of the session at that address.
	token string
	addr  int
}

// opening is the request that opens the next session, at that address.
func (m *memory) opening(application string, addr int) *tlibpb.OpenSession {
	o := &tlibpb.OpenSession{Application: application, ProtocolVersion: tlibpb.ProtocolVersion}
	if m.token != "" && m.addr == addr {
		o.ResumeToken, o.ResumeCursor = m.token, m.heard
	}
	return o
}

// opened learns what a new session is.
func (m *memory) opened(addr int, is *tlibpb.EventLinkConnected) {
	m.token, m.addr = is.GetSessionToken(), addr
	if !is.GetResumed() {
		m.heard = nil
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
			Filter: m.monitor, ResumeCursor: m.monitored,
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
			m.monitored = nil
		}
		m.monitor, m.monitorRef, m.whole = b.MonitorAll.GetFilter(), req.GetReferenceId(), false
	case *tlibpb.ClientMessage_StopMonitor:
		m.monitor, m.monitorRef, m.whole, m.monitored = nil, 0, false, nil
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
		m.whole = true // the message's cursor follows
	}
}

// loses takes in an event that answers nothing: what another client has taken over is not
// asked for again.
func (m *memory) loses(e *tlibpb.Event) {
	if e.GetUnregistered().GetSuperseded() {
		delete(m.dns, e.GetThisDn())
	}
}

// hears takes in that everything up to the cursor was told; none says nothing.
func (m *memory) hears(cursor []byte) {
	if len(cursor) == 0 {
		return
	}
	m.heard = cursor
	if m.whole {
		m.monitored = m.heard
	}
}

// registerAddress is the request.
func registerAddress(dn string, mode tlibpb.AddressMode) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: dn, Mode: mode}}}
}
