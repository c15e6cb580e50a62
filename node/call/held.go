package call

import "github.com/sipcluster/sipcluster/internal/walk"

// Held is what the table holds, by kind: its own node's calls, those that are
// up at any node, what nodes carry of others, and readers that wait.
func (t *Table) Held() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := map[string]int{"calls_own": t.self.n, "calls_known": len(t.calls), "call_readers": len(t.visible.idle) + len(t.own.idle)}
	for _, legs := range walk.Map(&t.mu, t.legs) {
		held["call_legs"] += len(legs)
	}
	for _, o := range t.nodes {
		held["calls_up"] += len(o.up)
	}
	return held
}
