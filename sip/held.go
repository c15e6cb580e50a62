package sip

// Held is what the server holds for what goes on at present, by kind. Nothing
// is left of it once all calls and connections are over; bindings, and what is
// kept of bounded size for later, are none of it.
func (s *Server) Held() map[string]int {
	held := map[string]int{"sip_pings_open": s.pings.unanswered()}
	s.port.Held(held)
	if s.peers != nil {
		held["sip_peer_bytes"] = s.peers.Queued()
	}
	if s.proxy != nil {
		s.proxy.Held(held)
	}
	return held
}
