package transaction

import "time"

// maxAbsorbed is how many keys of each age a layer keeps at most: what comes beyond is
// recognised for less long.
const maxAbsorbed = 1 << 16

// absorbed are the keys that were added last: each for age, and for twice that at most once
// others come. A key takes about 30 bytes, where its transaction would take 500.
type absorbed struct {
	age        time.Duration
	turned     time.Time
	young, old map[Key]struct{}
}

func (a *absorbed) add(k Key) {
	if now := time.Now(); a.young == nil || len(a.young) >= maxAbsorbed || now.Sub(a.turned) >= a.age {
		a.turn(now)
	}
	a.young[k] = struct{}{}
}

// turn makes the young ones old, and forgets the old ones; their room is used again.
func (a *absorbed) turn(now time.Time) {
	a.young, a.old = a.old, a.young
	if clear(a.young); a.young == nil {
		a.young = map[Key]struct{}{}
	}
	if now.Sub(a.turned) >= 2*a.age {
		clear(a.old)
	}
	a.turned = now
}

func (a *absorbed) has(k Key) bool {
	if len(a.young) == 0 {
		return false
	}
	_, young := a.young[k]
	_, old := a.old[k]
	return young || old
}
