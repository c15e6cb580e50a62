package sip

import (
	"container/heap"
	"time"
)

// schedule has probes in the order in which they are due. One that was forgotten
// meanwhile stays until its time.
type schedule []*probe

// add puts a probe its delay from now.
func (s *schedule) add(pr *probe, now time.Time) {
	pr.next = now.Add(pr.delay)
	heap.Push(s, pr)
}

// take takes the first that is due; nil when none is.
func (s *schedule) take(now time.Time) *probe {
	if len(*s) == 0 || (*s)[0].next.After(now) {
		return nil
	}
	return heap.Pop(s).(*probe)
}

// after is how long it is until the next is due; negative when there is none.
func (s schedule) after(now time.Time) time.Duration {
	if len(s) == 0 {
		return -1
	}
	return max(0, s[0].next.Sub(now))
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(*probe)) }
func (s *schedule) Pop() any {
	old := *s
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return last
}
