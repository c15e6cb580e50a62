package agent

// Held is what reservations and calls at DNs hold, by kind.
func (reg *Registry) Held() map[string]int {
	held := map[string]int{}
	reg.schedule.mu.Lock()
	held["reservation_rounds"] = len(reg.schedule.rounds)
	for _, e := range reg.schedule.agenda.heap {
		if e.what == endReservation {
			held["reservations"]++
		}
	}
	reg.schedule.mu.Unlock()
	reg.busy.mu.Lock()
	held["busy_dns"], held["busy_unsaid"] = len(reg.busy.calls), len(reg.busy.unsaid)
	reg.busy.mu.Unlock()
	return held
}
