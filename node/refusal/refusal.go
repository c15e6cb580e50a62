// Package refusal is the T-Library error: how the answer to a request that is
// refused travels as a value from where it is decided, in agent and routing,
// to the client's session, also by way of another node. It is no fault of the
// node: those are ordinary errors.
package refusal

import (
	"fmt"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Error is a T-Library error: the answer to a request, not a fault.
type Error struct {
	Code tlibpb.ErrorCode
	// Text is for people: what failed and what to do.
	Text string
}

// New makes an Error with a text as of fmt.Sprintf.
func New(code tlibpb.ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Text }
