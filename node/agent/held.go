package agent

// Held is what reservations hold, at this node and for its sessions and calls, by kind.
func (reg *Registry) Held() map[string]int {
	held := map[string]int{}
	reg.schedule.mu.Lock()
	held["reservation_rounds"] = len(reg.schedule.rounds)
	for _, e := range reg.schedule.agenda.heap {
		if e.what == endReservation {
			held["reservations"]++
		}
	}
	leases := 0
	for _, all := range reg.schedule.leases {
		leases += len(all)
	}
	held["reservations"] = max(held["reservations"], leases)
	reg.schedule.mu.Unlock()
	held["desktops_untold"] = len(reg.seats.all())
	reg.holds.mu.Lock()
	defer reg.holds.mu.Unlock()
	held["reservations_wanted"] = len(reg.holds.of)
	return held
}
