package walk

import (
	"maps"
	"slices"
	"testing"
)

// counted is a lock that counts what is done while it is held.
type counted struct {
	t           *testing.T
	held        bool
	steps, most int
	holds       int
	between     func()
}

func (c *counted) Lock() {
	if c.held {
		c.t.Error("locked twice")
	}
	if c.between != nil && c.holds > 0 {
		c.between()
	}
	c.held, c.steps = true, 0
	c.holds++
}

func (c *counted) Unlock() {
	if !c.held {
		c.t.Error("given up twice")
	}
	c.held = false
}

func (c *counted) step() {
	if !c.held {
		c.t.Error("a step without the lock")
	}
	c.steps++
	c.most = max(c.most, c.steps)
}

func many(n int) (map[int]int, []int) {
	m, list := map[int]int{}, make([]int, n)
	for i := range n {
		m[i], list[i] = -i, i
	}
	return m, list
}

// Each kind of walk visits everything, and nobody waits for more than a piece of it.
func TestWalk_HoldsTheLockForAPiece(t *testing.T) {
	for _, n := range []int{0, 1, Most - 1, Most, Most + 1, 3*Most + 7} {
		m, list := many(n)
		for what, walk := range map[string]func(c *counted) (seen int){
			"a map": func(c *counted) (seen int) {
				for k, v := range Map(c, m) {
					if c.step(); k == -v {
						seen++
					}
				}
				return seen
			},
			"a list": func(c *counted) (seen int) {
				for i, v := range Slice(c, list) {
					if c.step(); i == v {
						seen++
					}
				}
				return seen
			},
			"steps": func(c *counted) (seen int) {
				p := Pieces{Held: c}
				for ; seen < n; seen++ {
					c.step()
					p.Step()
				}
				return seen
			},
		} {
			c := &counted{t: t}
			c.Lock()
			seen := walk(c)
			c.Unlock()
			if seen != n || c.most > Most || c.holds != 1+n/Most {
				t.Errorf("%s of %d: %d seen, %d holds, of %d steps at most", what, n, seen, c.holds, c.most)
			}
		}
	}
}

// What changes between two pieces takes nothing from the walk that was there all the time,
// and brings nothing that is gone.
func TestMap_WhileItChanges(t *testing.T) {
	const n = 5 * Most
	m, _ := many(n)
	gone := map[int]bool{}
	seen := map[int]int{}
	c := &counted{t: t}
	c.between = func() {
		left := 0
		for k := range m {
			if _, was := seen[k]; !was && k < n && left < 100 {
				delete(m, k)
				gone[k] = true
				left++
			}
		}
		for i := range 2 * Most { // it grows
			m[n+len(seen)*10+i] = 0
		}
	}
	c.Lock()
	for k := range Map(c, m) {
		if seen[k]++; gone[k] {
			t.Fatalf("%d is gone", k)
		}
		delete(m, k) // by the body too
		if len(seen) == n-len(gone) && c.holds > 5 {
			c.between = nil
		}
	}
	c.Unlock()
	for i := range n {
		if !gone[i] && seen[i] != 1 {
			t.Fatalf("%d was visited %d times", i, seen[i])
		}
	}
	if len(gone) < 100 {
		t.Error("nothing went between: ", slices.Sorted(maps.Keys(gone)))
	}
}

// Who has seen enough has the lock yet.
func TestWalk_EndsEarly(t *testing.T) {
	m, list := many(2 * Most)
	c := &counted{t: t}
	c.Lock()
	for range Map(c, m) {
		break
	}
	for i := range Slice(c, list) {
		if i == Most {
			break
		}
	}
	c.Unlock()
	if c.holds != 2 {
		t.Errorf("%d holds", c.holds)
	}
}
