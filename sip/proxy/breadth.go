package proxy

import (
	"fmt"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
)

// A request may say in how many places it may be at a time, of which each branch gets its
// part: a fork that comes back to a fork ends by that (RFC 5393 section 5).

// mostBreadth is that of a request which says nothing.
const mostBreadth = 60

var errBreadth = &message.Fault{Code: 440, Reason: "Max-Breadth Exceeded"}

// breadthOf is the Max-Breadth of a request; told: it has one that can be read.
func breadthOf(m *message.Message) (n int, told bool) {
	v := m.Named("max-breadth")
	if len(v) == 0 { // of almost all, and an error takes memory
		return mostBreadth, false
	}
	b, err := strconv.ParseUint(string(v), 10, 31)
	if err != nil {
		return mostBreadth, false
	}
	return min(int(b), mostBreadth), true
}

// breadth takes the next group out of those that are left, as far as the breadth goes: the
// rest comes after it. Each leg is given its part.
func (a *Attempt) breadth(group []leg) []leg {
	a.later = a.later[1:]
	n, told := breadthOf(a.c.req)
	if len(group) > n {
		a.later = append([][]leg{group[n:]}, a.later...)
		group = group[:n]
	}
	if told || len(group) > 1 {
		for i := range group {
			group[i].breadth = n / len(group)
		}
	}
	return group
}

// narrow are the changes by which a request goes on with its part of the breadth.
func (l *leg) narrow(ch *message.Changes) {
	if l.breadth == 0 {
		return
	}
	ch.Lines = fmt.Appendf(ch.Lines, "Max-Breadth: %d\r\n", l.breadth)
	drop := ch.Drop
	ch.Drop = func(h *message.Header) bool {
		return message.EqualFold(h.Name, "max-breadth") || drop != nil && drop(h)
	}
}
