package dn

// Held is what the table holds beside its DNs, by kind: readers that wait, and
// what others are still to be told.
func (t *Table) Held() map[string]int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	held := map[string]int{"dn_drops_untold": len(t.dropped)}
	for i := range t.journals {
		held["dn_readers"] += len(t.journals[i].idle)
		held["dn_readers_holding"] += len(t.journals[i].holding)
	}
	return held
}
