package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// What a failed request of a session means to a person.
func TestDesk_ExplainsItsErrors(t *testing.T) {
	cl := &Client{addr: "h:7001", timeout: 5 * time.Second}
	cl.trace.sent.Store(true)
	d := &Desk{nil, cl}
	refusal := &tlib.Error{Code: tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, Text: "DN 1001 is reserved"}
	for want, err := range map[string]error{
		"DN 1001 is reserved": fmt.Errorf("reserve DN 1001: %w", refusal),
		"interrupted":         fmt.Errorf("%w: %w", tlib.ErrUnknownOutcome, context.Canceled),
		"the node at h:7001 did not answer within 5s (--timeout): check whether it was applied before you retry": fmt.Errorf("%w: %w", tlib.ErrUnknownOutcome, context.DeadlineExceeded),
		"the connection to h:7001 was lost: check whether it was applied before you retry":                       fmt.Errorf("make DN ready: %w", tlib.ErrUnknownOutcome),
		"the connection to h:7001 was lost: try again":                                                           fmt.Errorf("make DN ready: %w", tlib.ErrNotConnected),
	} {
		if got := d.Explain(err); got == nil || got.Error() != want {
			t.Errorf("%v\nbecomes %v\nwant    %s", err, got, want)
		}
	}
	if got := d.Explain(fmt.Errorf("%w: x", tlib.ErrClosed)); got == nil || got.Error() != "the connection to h:7001 was lost: try again" {
		t.Error(got)
	}
	if d.Explain(nil) != nil {
		t.Error("success has a text")
	}
	if got := d.Explain(fmt.Errorf("x: %w", refusal)); !errors.Is(got, refusal) || !RefusedAs(got, tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED) || RefusedAs(got, tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE) {
		t.Errorf("a refusal is %v", got)
	}
}
