package crew_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sipcluster/sipcluster/internal/crew"
)

// Each task is done once, by hands that do one at a time, and Do returns when all are done.
func TestCrew_EachTaskOnce(t *testing.T) {
	for hands := 1; hands <= 5; hands++ {
		var times [64]atomic.Int32
		busy := make([]atomic.Bool, hands)
		c := crew.New(hands, func(hand, task int) {
			if busy[hand].Swap(true) {
				t.Errorf("hand %d does two tasks at a time", hand)
			}
			runtime.Gosched()
			times[task].Add(1)
			busy[hand].Store(false)
		})
		for round := range 3000 {
			n := round % (len(times) + 1)
			c.Do(n)
			for i := range times {
				want := int32(0)
				if i < n {
					want = 1
				}
				if got := times[i].Swap(0); got != want {
					t.Fatalf("%d hands: task %d of %d was done %d times when Do had returned", hands, i, n, got)
				}
			}
		}
		c.Close()
	}
}

// Tasks that wait for each other are done: as many at a time as there are hands.
func TestCrew_HandsWorkAtATime(t *testing.T) {
	const hands = 4
	var all sync.WaitGroup
	c := crew.New(hands, func(_, _ int) { all.Done(); all.Wait() })
	defer c.Close()
	for range 200 {
		all.Add(hands)
		c.Do(hands)
	}
}

// A caller whose helpers never come about does all by itself: Do does not wait for who has
// not begun.
func TestCrew_WaitsForNobodyWhoHasNotBegun(t *testing.T) {
	var done atomic.Int32
	c := crew.New(3, func(_, _ int) { done.Add(1) })
	c.Close() // the others end at once
	if c.Do(10); done.Load() != 10 {
		t.Errorf("%d of 10 tasks were done", done.Load())
	}
}

// A Crew of one, and one task, cost nothing.
func TestCrew_AloneDoesNotAllocate(t *testing.T) {
	c := crew.New(1, func(_, _ int) {})
	if n := testing.AllocsPerRun(100, func() { c.Do(10) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	many := crew.New(4, func(_, _ int) {})
	defer many.Close()
	if n := testing.AllocsPerRun(100, func() { many.Do(1); many.Do(9) }); n > 0 {
		t.Errorf("%v allocations with helpers", n)
	}
}
