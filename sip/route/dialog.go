package route

import "github.com/sipcluster/sipcluster/sip/message"

// Dialog is what a request or response says of its dialog; To is nil before there is one.
type Dialog struct{ CallID, From, To []byte }

// DialogOf is that of a message.
func DialogOf(m *message.Message) Dialog {
	return Dialog{m.Get(message.CallID), m.Tag(message.From), m.Tag(message.To)}
}

// callerTag is the tag of who made the call, in a request of that direction.
func (d *Dialog) callerTag(dir direction) []byte {
	if dir == fromCalled {
		return d.To
	}
	return d.From
}

// direction is what is known of which side sent a request.
type direction uint8

const (
	fromCaller direction = iota
	fromCalled
	// likelyNear: not known; the token is likely that of the sender's side.
	likelyNear
	// likelyFar: it is likely that of the other side.
	likelyFar
)

// of are the directions to try, the first one first, for a token that leads to a side.
func (dir direction) of(called bool) []direction {
	switch {
	case dir <= fromCalled:
		return only[dir : dir+1]
	case called == (dir == likelyNear):
		return calledFirst[:]
	}
	return only[:]
}

// only are both directions, and each by itself.
var only, calledFirst = [2]direction{fromCaller, fromCalled}, [2]direction{fromCalled, fromCaller}
