package session

// Held is what sessions hold, by kind: nothing is left of it when all clients
// are gone and their grace is over.
func (c *Controller) Held() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	grace := 0
	for _, r := range c.registrations {
		if r.holder == nil {
			grace++
		}
	}
	return map[string]int{
		"tlib_sessions": c.sessions, "tlib_monitors": int(c.monitors.Load()), "tlib_addresses": len(c.addresses),
		"tlib_registrations": len(c.registrations) - grace, "tlib_in_grace": grace,
	}
}

// Held is what calls on their way hold, by kind.
func (r *Routing) Held() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := map[string]int{"routing_visits": len(r.visits), "routing_ringing_dns": len(r.ringing), "routing_queues": len(r.queues)}
	for _, rings := range r.ringing {
		held["routing_ringing"] += len(rings)
	}
	for _, q := range r.queues {
		held["routing_queued"] += len(q)
	}
	return held
}
