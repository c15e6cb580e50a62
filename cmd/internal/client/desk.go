package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Desk is a T-Library session with a node: what an agent's desktop has.
type Desk struct {
	*tlib.Client
	Node *Client
}

// OpenDesk opens a session; lasting ones survive a lost connection.
func (c *Operator) OpenDesk(ctx context.Context, lasting bool) (*Desk, error) {
	cl, err := c.Connect()
	if err != nil {
		return nil, err
	}
	return cl.OpenDesk(ctx, lasting)
}

// OpenDesk opens a session with the node; it closes the client with it.
func (c *Client) OpenDesk(ctx context.Context, lasting bool) (*Desk, error) {
	ctx, cancel := c.Call(ctx)
	defer cancel()
	t, err := tlib.Dial(ctx, c.addrs[0], tlib.Options{Application: "sipcluster", NoReconnect: !lasting, DialOptions: c.dialing})
	d := &Desk{t, c}
	if err != nil {
		c.Close()
		return nil, d.Explain(err)
	}
	return d, nil
}

// Close ends the session and its connections.
func (d *Desk) Close() {
	_ = d.Client.Close()
	d.Node.Close()
}

// Do makes one request with the deadline and explains its failure.
func (d *Desk) Do(ctx context.Context, request func(context.Context) (*tlibpb.Event, error)) (*tlibpb.Event, error) {
	ctx, cancel := d.Node.Call(ctx)
	defer cancel()
	e, err := request(ctx)
	return e, d.Explain(err)
}

// Explain makes a person's sentence of a session's error; nil stays nil. A
// refusal stays a *tlib.Error.
func (d *Desk) Explain(err error) error {
	var refused *tlib.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, tlib.ErrUnknownOutcome) && errors.Is(err, context.DeadlineExceeded):
		return checkFirst(d.Node.Explain(context.DeadlineExceeded))
	case errors.Is(err, tlib.ErrUnknownOutcome):
		return checkFirst(unansweredError{d.lost()})
	case errors.Is(err, tlib.ErrNotConnected), errors.Is(err, tlib.ErrClosed):
		return fmt.Errorf("%w: try again", d.lost())
	}
	return d.Node.Explain(err)
}

func (d *Desk) lost() error { return fmt.Errorf("the connection to %s was lost", d.Node.addr) }

// RefusedAs tells whether err is the node's refusal with that code.
func RefusedAs(err error, code tlibpb.ErrorCode) bool {
	var refused *tlib.Error
	return errors.As(err, &refused) && refused.Code == code
}

// Parting is a context for what has to be said when the user has interrupted.
func Parting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
}
