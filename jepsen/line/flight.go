package line

import "time"

// maxFrame is the longest frame: an IP packet of 1500 octets behind Ethernet's header.
const maxFrame = 1518

// flight is a frame under way.
type flight struct {
	at  time.Duration
	nth uint64 // in the order of their departure
	to  *end
	len int
	buf [maxFrame]byte
}

// flights are a heap: what arrives first is on top, of those that arrive together what left
// first.
type flights []*flight

func (f flights) Len() int { return len(f) }

func (f flights) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].nth < f[j].nth
}

func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

// Push implements heap.Interface.
func (f *flights) Push(x any) { *f = append(*f, x.(*flight)) }

// Pop implements heap.Interface.
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = nil
	*f = (*f)[:last]
	return x
}
