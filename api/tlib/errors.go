package tlib

import (
	"errors"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Error is a node's refusal of a request: EventError.
type Error struct {
	Code tlibpb.ErrorCode
	// Text says to people what failed and what to do.
	Text string
}

func errorOf(e *tlibpb.EventError) *Error { return &Error{e.GetCode(), e.GetText()} }

func (e *Error) Error() string {
	if e.Text == "" {
		return ErrorName(e.Code)
	}
	return e.Text
}

var (
	// ErrClosed says that Close was called, or with Options.NoReconnect that the
	// connection was lost.
	ErrClosed = errors.New("the session is closed")
	// ErrNotConnected says that there is no connection at present: the request
	// was not sent. EventLinkConnected tells when there is one again.
	ErrNotConnected = errors.New("not connected to a node at present")
	// ErrUnknownOutcome says that a request was sent, but its answer did not come:
	// it may or may not have been done.
	ErrUnknownOutcome = errors.New("sent but not answered: it may or may not have been done")

	errSilent = errors.New("the node said nothing for 3s")
	errEnded  = errors.New("the node ended the session")
)
