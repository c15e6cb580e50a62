// Package crew serves what came together on several processors.
package crew

import (
	"sync"
	"sync/atomic"
)

// Crew is one who calls Do, and others who help then: hand 0 is the caller, the others are
// goroutines of the Crew. A Crew of one is the caller alone, without cost.
type Crew struct {
	do    func(hand, task int)
	begin sync.Once
	wake  []chan struct{} // of the others
	ends  chan struct{}
	once  sync.Once
	all   sync.WaitGroup

	tasks int          // of this time; good for who has taken one of them
	rest  atomic.Int64 // that nobody has taken; less than 1 for none
	left  atomic.Int64 // that are not done
	done  chan struct{}
}

// New makes a Crew of so many hands, at least one, for a kind of task: do is called with the
// number of the hand, which does one at a time, and of the task.
func New(hands int, do func(hand, task int)) *Crew {
	c := &Crew{do: do, ends: make(chan struct{}), done: make(chan struct{}, 1)}
	for range hands - 1 {
		c.wake = append(c.wake, make(chan struct{}, 1))
	}
	return c
}

// Do has the tasks from 0 to n-1 done, each once and those of the lowest numbers first, and
// returns when all are. Whoever is free takes the next: so the caller waits for nobody who has
// not begun. It is called by one at a time, and not after Close.
func (c *Crew) Do(n int) {
	if n < 2 || len(c.wake) == 0 {
		for i := range n {
			c.do(0, i)
		}
		return
	}
	c.begin.Do(c.start)
	c.tasks = n
	c.left.Store(int64(n))
	c.rest.Store(int64(n)) // from now on they may take some
	for _, w := range c.wake[:min(n-1, len(c.wake))] {
		select {
		case w <- struct{}{}:
		default: // it has not woken from the last time
		}
	}
	if !c.work(0) {
		<-c.done
	}
}

// work does tasks until there is none to take; it tells whether it did the last one.
func (c *Crew) work(hand int) (last bool) {
	for {
		rest := c.rest.Add(-1)
		if rest < 0 {
			return last
		}
		c.do(hand, c.tasks-1-int(rest))
		last = c.left.Add(-1) == 0
	}
}

func (c *Crew) start() {
	for i, w := range c.wake {
		c.all.Go(func() {
			for {
				select {
				case <-c.ends:
					return
				case <-w:
					if c.work(i + 1) {
						c.done <- struct{}{}
					}
				}
			}
		})
	}
}

// Close ends the others.
func (c *Crew) Close() {
	c.once.Do(func() { close(c.ends) })
	c.all.Wait()
}
