package session

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

func (e *Error) Error() string { return e.Text }

func fail(code tlibpb.ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}
