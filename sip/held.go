package sip

// Held is what the server holds for what goes on at present, by kind. Nothing
// is left of it once all calls and connections are over; bindings, and what is
// kept of bounded size for later, are none of it.
func (s *Server) Held() map[string]int {
	held := map[string]int{
		"sip_connections": s.flows.len(), "sip_handshakes": s.shakingHands(), "sip_unanswered": s.flows.unanswered(), "sip_relays": s.flows.relayed(), "sip_pings_open": s.pings.unanswered(),
	}
	if s.udp != nil {
		held["sip_datagrams_held"] = s.udp.out.waiting()
	}
	if s.proxy != nil {
		s.proxy.held(held)
	}
	return held
}

func (s *Server) shakingHands() (n int) {
	for _, l := range s.tcp {
		if h, ok := l.Listener.(*handshakes); ok {
			n += h.len()
		}
	}
	return n
}

func (h *handshakes) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pending.Len()
}

// unanswered are the requests of all connections that wait for their answers.
func (f *flows) unanswered() (n int) {
	for _, fl := range f.all() {
		n += fl.pending.len()
	}
	return n
}

// relayed are the requests of all connections that the phones have to answer.
func (f *flows) relayed() (n int) {
	for _, fl := range f.all() {
		n += fl.relays.len()
	}
	return n
}

// unanswered are the pings that wait for theirs.
func (p *pings) unanswered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// waiting counts who holds the mail, and the datagrams that wait.
func (m *sendBatch) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held + m.count
}

// held adds what calls hold.
func (p *proxy) held(held map[string]int) {
	p.mu.Lock()
	held["sip_calls"], held["sip_call_goroutines"] = p.active, p.goroutines
	p.mu.Unlock()
	for _, sh := range p.shards {
		sh.Lock()
		held["sip_transactions"] += sh.Len()
		sh.Unlock()
	}
	held["sip_alarms"] = p.shards[0].Alarms() // the shards share their clock
	p.dialogs.mu.Lock()
	held["sip_dialogs"] = len(p.dialogs.open)
	p.dialogs.mu.Unlock()
}
