package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// desk is a T-Library session with a node: what an agent's desktop has.
type desk struct {
	*tlib.Client
	node *client
}

// openDesk opens a session; lasting ones survive a lost connection.
func (c *cli) openDesk(ctx context.Context, lasting bool) (*desk, error) {
	cl, err := c.connect()
	if err != nil {
		return nil, err
	}
	return cl.openDesk(ctx, lasting)
}

// openDesk opens a session with the node; it closes the client with it.
func (c *client) openDesk(ctx context.Context, lasting bool) (*desk, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	t, err := tlib.Dial(ctx, c.addr, tlib.Options{
		Application: "sipcluster", NoReconnect: !lasting,
		DialOptions: c.trace.options(),
	})
	d := &desk{t, c}
	if err != nil {
		c.close()
		return nil, d.explain(err)
	}
	return d, nil
}

func (d *desk) close() {
	_ = d.Client.Close()
	d.node.close()
}

// do makes one request with the deadline and explains its failure.
func (d *desk) do(ctx context.Context, request func(context.Context) (*tlibpb.Event, error)) (*tlibpb.Event, error) {
	ctx, cancel := d.node.call(ctx)
	defer cancel()
	e, err := request(ctx)
	return e, d.explain(err)
}

// explain makes a person's sentence of a session's error; nil stays nil. A
// refusal stays a *tlib.Error.
func (d *desk) explain(err error) error {
	var refused *tlib.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, tlib.ErrUnknownOutcome) && errors.Is(err, context.DeadlineExceeded):
		return checkFirst(d.node.explain(context.DeadlineExceeded))
	case errors.Is(err, tlib.ErrUnknownOutcome):
		return checkFirst(unansweredError{d.lost()})
	case errors.Is(err, tlib.ErrNotConnected), errors.Is(err, tlib.ErrClosed):
		return fmt.Errorf("%w: try again", d.lost())
	}
	return d.node.explain(err)
}

func (d *desk) lost() error { return fmt.Errorf("the connection to %s was lost", d.node.addr) }

// doing says what failed; nil stays nil, and a wrong command line is that alone.
func doing(what string, err error) error {
	var usage usageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &usage):
		return usage
	}
	return fmt.Errorf("%s: %w", what, err)
}

// refusedAs tells whether err is the node's refusal with that code.
func refusedAs(err error, code tlibpb.ErrorCode) bool {
	var refused *tlib.Error
	return errors.As(err, &refused) && refused.Code == code
}

// tlibJSON is an event of a T-Library session; names and order are a contract.
type tlibJSON struct {
	Event    string            `json:"event"`
	DN       string            `json:"dn,omitempty"`
	Time     string            `json:"time"`
	Owner    string            `json:"owner,omitempty"`
	Site     string            `json:"site,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	AgentID  string            `json:"agent_id,omitempty"`
	WorkMode string            `json:"work_mode,omitempty"`
	Reasons  map[string]string `json:"reasons,omitempty"`
	Status   map[string]string `json:"status,omitempty"`
	Error    string            `json:"error,omitempty"`
	Until    string            `json:"until,omitempty"`
}

// tlibJSONHelp documents it.
const tlibJSONHelp = `{"event","dn","time","owner","site","reason","agent_id","work_mode","reasons","status","error","until"}`

func newTlibJSON(e *tlibpb.Event) tlibJSON {
	return tlibJSON{
		Event: tlib.EventName(e.GetMessage()), DN: e.GetThisDn(), Time: rfc3339(e.GetTime()), Owner: e.GetOwner(), Site: e.GetSite(), Reason: e.GetReason(),
		AgentID: e.GetAgentId(), WorkMode: workModeName(uint32(max(e.GetWorkMode(), 0))), Reasons: e.GetReasons(),
		Status: e.GetExtensions(), Error: e.GetErrorMessage(),
	}
}

// parting is a context for what has to be said when the user has interrupted.
func parting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
}
