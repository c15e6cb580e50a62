package feed

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReader_ResumesWhereEverythingSinceIsThere(t *testing.T) {
	const incarnation, tail, head = 7, 4, 9
	for what, c := range map[string]struct {
		from    Position
		resumed bool
	}{
		"the head":               {Position{7, 9}, true},
		"the tail":               {Position{7, 4}, true},
		"before the tail":        {Position{7, 3}, false},
		"behind the head":        {Position{7, 10}, false},
		"an earlier incarnation": {Position{6, 5}, false},
		"a later incarnation":    {Position{8, 5}, false},
		"nowhere":                {Position{}, false},
		"no change of it":        {Position{7, 0}, false},
	} {
		r := NewReader(c.from)
		want := uint64(head)
		if c.resumed {
			want = c.from.Seq
		}
		if got := r.Start(incarnation, tail, head); got != c.resumed || r.Seq != want {
			t.Errorf("from %s: resumed %v at %d", what, got, r.Seq)
		}
		if r.Start(incarnation, tail, head) || r.Seq != head {
			t.Errorf("from %s, again: at %d", what, r.Seq)
		}
	}
	if r := NewReader(Position{Incarnation: 7}); r.Start(7, 0, 0) {
		t.Error("resumed from nothing")
	}
}

// Next takes at once what there is, and otherwise waits: for a wake, for the time
// that take says, or for the context.
func TestNext_WaitsUntilThereIsSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, sleepers := NewReader(Position{}), Waiters{}
		wait, left := time.Duration(-1), 0
		var there []int
		var mu sync.Mutex // as that of a table
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		next := func() ([]int, error) {
			return Next(ctx, &r, []int{1}, func(buf []int) ([]int, time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				if len(there) == 0 {
					sleepers[&r] = struct{}{}
				}
				return append(buf, there...), wait
			}, func() { locked(func() { left++; delete(sleepers, &r) }) })
		}
		there = []int{2}
		if got, err := next(); err != nil || len(got) != 2 || left != 0 {
			t.Errorf("what there is: %v, %v, left %d times", got, err, left)
		}
		there = nil
		go func() {
			synctest.Wait()
			locked(func() {
				there = []int{3}
				sleepers.Wake()
				sleepers.Wake() // nobody is there any more
			})
		}()
		if got, err := next(); err != nil || len(got) != 2 || left != 0 || len(sleepers) != 0 {
			t.Errorf("woken: %v, %v, left %d times, %d asleep", got, err, left, len(sleepers))
		}
		there, wait = nil, time.Second
		time.AfterFunc(1500*time.Millisecond, func() { locked(func() { there = []int{4} }) })
		if got, err := next(); err != nil || len(got) != 2 || left != 2 {
			t.Errorf("behind the time: %v, %v, left %d times", got, err, left)
		}
		there, wait = nil, -1
		time.AfterFunc(time.Minute, cancel)
		if got, err := next(); !errors.Is(err, context.Canceled) || len(got) != 1 || len(sleepers) != 0 {
			t.Errorf("cancelled: %v, %v, %d asleep", got, err, len(sleepers))
		}
	})
}
