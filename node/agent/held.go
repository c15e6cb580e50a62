package agent

// Held is what reservations and calls at DNs hold, by kind.
func (reg *Registry) Held() map[string]int {
	held := map[string]int{}
	reg.mu.Lock()
	held["reservation_rounds"] = len(reg.rounds)
	for _, e := range reg.agenda.heap {
		if e.what == endReservation {
			held["reservations"]++
		}
	}
	reg.mu.Unlock()
	reg.busyMu.Lock()
	held["busy_dns"], held["busy_unsaid"] = len(reg.busy), len(reg.unsaid)
	reg.busyMu.Unlock()
	return held
}
