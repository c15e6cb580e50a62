// Package wake is the signal by which one goroutine is told that there is
// something to do, by any number of others who never wait for it.
package wake

// Signal holds one token or none. Who is woken takes it with a receive and then
// looks for all that there is to do: one token stands for every Send before
// that. The nil Signal wakes nobody.
type Signal chan struct{}

// New makes a Signal without a token.
func New() Signal { return make(Signal, 1) }

// Send leaves a token unless there is one. It never waits.
func (s Signal) Send() {
	select {
	case s <- struct{}{}:
	default:
	}
}
