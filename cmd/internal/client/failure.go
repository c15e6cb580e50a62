package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
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
	case codes.Unauthenticated:
		return c.unknown(s.Message())
	case codes.Unavailable: // of an older node too, when it has no quorum
		switch {
		case said:
		case strings.Contains(s.Message(), credential.ErrAuthority.Error()):
			return fmt.Errorf("what answers at %s is not a node of the cluster of context %s: %w; nothing was sent", c.addr, c.As.Name, credential.ErrAuthority)
		case c.As != nil && strings.Contains(s.Message(), "first record does not look like a TLS handshake"):
			return fmt.Errorf("what answers at %s speaks in the clear, as no node of context %s does; nothing was sent", c.addr, c.As.Name)
		case !c.trace.undialled.Load() && !c.trace.sent.Load():
			return fmt.Errorf("what answers at %s is not a TCport: want a node's --tc-addr (--addr)", c.addr)
		default:
			return c.unanswered(fmt.Sprintf("the node at %s is unavailable (%s)", c.addr, s.Message()))
		}
	}
	return AnswerError{err, console.OneLine(s.Message())}
}

// unknown is for a node that does not know who asks.
func (c *Client) unknown(words string) error {
	switch {
	case c.As == nil:
		return fmt.Errorf("the node at %s asks who you are: %s", c.addr, loginBy(c.addr))
	case c.As.Token == "" && c.As.Certificate == "":
		return fmt.Errorf("the node at %s asks who you are, and context %s has neither token nor certificate: sipcluster login", c.addr, c.As.Name)
	}
	return fmt.Errorf("the node at %s refuses context %s: %s", c.addr, c.As.Name, console.OneLine(words))
}

// unanswered is the error of a request without an answer.
func (c *Client) unanswered(why string) error {
	switch {
	case c.trace.undialled.Load() && c.assumed:
		return fmt.Errorf("%w at %s, and nothing says where else one is: --addr HOST:PORT, or sipcluster login once", ErrNobody, c.addr)
	case c.trace.undialled.Load():
		return fmt.Errorf("%w at %s: is it running? (--addr)", ErrNobody, c.addr)
	case !c.trace.sent.Load():
		return fmt.Errorf("%s; nothing was sent", why)
	}
	return unansweredError{errors.New(why)}
}
