package session

import "github.com/sipcluster/sipcluster/internal/walk"

// Held is what sessions hold, by kind: nothing is left of it when all clients
// are gone and their grace is over.
func (c *Controller) Held() map[string]int {
	held := c.addresses.held()
	held["tlib_monitors"] = int(c.monitors.Load())
	held["tlib_sessions"] = c.room.Taken()
	return held
}

func (as *Addresses) held() map[string]int {
	as.mu.Lock()
	defer as.mu.Unlock()
	grace := 0
	for _, r := range walk.Map(&as.mu, as.byToken) {
		if r.holder == nil {
			grace++
		}
	}
	return map[string]int{"tlib_addresses": len(as.of), "tlib_registrations": len(as.byToken) - grace, "tlib_in_grace": grace}
}
