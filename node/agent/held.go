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
	return held
}
