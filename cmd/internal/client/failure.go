package client

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
)

// ErrNobody says that nothing that is a node listens at the address.
var ErrNobody = errors.New("no sipcluster node answers")

// AnswerError is the refusal of a node that did answer, in its own words.
type AnswerError struct {
	err  error
	text string
}

func (e AnswerError) Error() string { return e.text }

func (e AnswerError) Unwrap() error { return e.err }

// Refused tells whether err is a node's answer with the code.
func Refused(err error, code codes.Code) bool {
	return errors.As(err, new(AnswerError)) && status.Code(err) == code
}

// unansweredError says that a request was sent and no answer came.
type unansweredError struct{ error }

// checkFirst adds what to do when a change was sent and not answered.
func checkFirst(err error) error {
	if errors.As(err, new(unansweredError)) {
		return fmt.Errorf("%w: check whether it was applied before you retry", err)
	}
	return err
}

// Explain makes a person's sentence of a call's error; nil stays nil.
func (c *Client) Explain(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		s = status.FromContextError(err)
	}
	info, said := outcome.Said(err)
	switch s.Code() {
	case codes.Canceled:
		return errors.New("interrupted")
	case codes.Unimplemented:
		return fmt.Errorf("the node at %s does not offer this: another version, or not a TCport (--addr)", c.addr)
	case codes.DeadlineExceeded:
		if !said || info.Reason == outcome.Unknown {
			return c.unanswered(fmt.Sprintf("the node at %s did not answer within %v (--timeout)", c.addr, c.timeout))
		}
	case codes.Unavailable: // of an older node too, when it has no quorum
		switch {
		case said:
		case !c.trace.undialled.Load() && !c.trace.sent.Load():
			return fmt.Errorf("what answers at %s is not a TCport: want a node's --tc-addr (--addr)", c.addr)
		default:
			return c.unanswered(fmt.Sprintf("the node at %s is unavailable (%s)", c.addr, s.Message()))
		}
	}
	return AnswerError{err, s.Message()}
}

// unanswered is the error of a request without an answer.
func (c *Client) unanswered(why string) error {
	switch {
	case c.trace.undialled.Load():
		return fmt.Errorf("%w at %s: is it running? (--addr)", ErrNobody, c.addr)
	case !c.trace.sent.Load():
		return fmt.Errorf("%s; nothing was sent", why)
	}
	return unansweredError{errors.New(why)}
}
