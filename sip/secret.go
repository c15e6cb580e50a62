package sip

// SetSecret replaces Config.Secret, for a node that learns it only by joining a
// cluster. Call it before Run.
func (s *Server) SetSecret(secret []byte) {
	if s.proxy != nil {
		s.proxy.SetSecret(secret)
	}
}
