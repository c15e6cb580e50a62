package tcontroller

// Held counts the links of followers.
func (s *Server) Held() map[string]int {
	s.links.mu.Lock()
	defer s.links.mu.Unlock()
	return map[string]int{"link_followers": len(s.links.of)}
}

// Held counts the peers that are followed, and those that gossip told of.
func (m *Mesh) Held() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return map[string]int{"link_peers": len(m.followers), "link_gossip": len(m.gossip)}
}
