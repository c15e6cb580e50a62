package routing

import "fmt"

// Callers hear of their wait where their routing point says so (RFC 3261 §21.1.3, §21.1.4):
// of their place when they begin to wait for agents of a group and whenever it has changed,
// which is looked at each time that the call looks for an agent, and that the call goes on.

// tells tells whether the caller is to hear more of its wait.
func (j *journey) tells() bool {
	return j.rp != "" && j.r.view().DN(string(j.rp)).GetRoutingPoint().GetTellPosition()
}

// tellPlace tells the caller its place in a queue, when that is not the one that was said
// last, 0 for none, and returns what it knows now. Who comes first has looked for an agent
// before.
func (j *journey) tellPlace(group string, w *waiter, looked bool, said int) int {
	if !j.tells() {
		return said
	}
	at := j.r.queues.at(group, w)
	if at != said && (at > 1 || looked) {
		j.in.Tell(182, fmt.Sprintf("Queued, position %d", at))
		said = at
	}
	return said
}

// tellForwarded tells the caller that the call goes on from its routing point.
func (j *journey) tellForwarded() {
	if j.tells() {
		j.in.Tell(181, "Call Is Being Forwarded")
	}
}
