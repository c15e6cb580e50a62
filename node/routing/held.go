package routing

// Held is what calls on their way hold, by kind.
func (r *Engine) Held() map[string]int {
	held := r.quotas.Held()
	r.visits.mu.Lock()
	held["routing_visits"] = len(r.visits.of)
	r.visits.mu.Unlock()
	r.rings.mu.Lock()
	held["routing_ringing_dns"] = len(r.rings.at)
	for _, at := range r.rings.at {
		held["routing_ringing"] += len(at)
	}
	r.rings.mu.Unlock()
	r.queues.mu.Lock()
	defer r.queues.mu.Unlock()
	held["routing_queues"] = len(r.queues.of)
	for _, q := range r.queues.of {
		held["routing_queued"] += len(q)
	}
	return held
}
