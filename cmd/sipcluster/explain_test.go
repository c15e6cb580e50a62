package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// What a failed request of a session means to a person.
func TestDesk_ExplainsItsErrors(t *testing.T) {
	cl := &client{addr: "h:7001", timeout: 5 * time.Second}
	cl.trace.sent.Store(true)
	d := &desk{nil, cl}
	refusal := &tlib.Error{Code: tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, Text: "DN 1001 is reserved"}
	for want, err := range map[string]error{
		"DN 1001 is reserved": fmt.Errorf("reserve DN 1001: %w", refusal),
		"interrupted":         fmt.Errorf("%w: %w", tlib.ErrUnknownOutcome, context.Canceled),
		"the node at h:7001 did not answer within 5s (--timeout): check whether it was applied before you retry": fmt.Errorf("%w: %w", tlib.ErrUnknownOutcome, context.DeadlineExceeded),
		"the connection to h:7001 was lost: check whether it was applied before you retry":                       fmt.Errorf("make DN ready: %w", tlib.ErrUnknownOutcome),
		"the connection to h:7001 was lost: try again":                                                           fmt.Errorf("make DN ready: %w", tlib.ErrNotConnected),
	} {
		if got := d.explain(err); got == nil || got.Error() != want {
			t.Errorf("%v\nbecomes %v\nwant    %s", err, got, want)
		}
	}
	if got := d.explain(fmt.Errorf("%w: x", tlib.ErrClosed)); got == nil || got.Error() != "the connection to h:7001 was lost: try again" {
		t.Error(got)
	}
	if d.explain(nil) != nil {
		t.Error("success has a text")
	}
	if got := d.explain(fmt.Errorf("x: %w", refusal)); !errors.Is(got, refusal) || !refusedAs(got, tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED) || refusedAs(got, tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE) {
		t.Errorf("a refusal is %v", got)
	}
}

// dn get shows of each kind what it has.
func TestPrintDN_OfEachKind(t *testing.T) {
	head := func(kind string) string {
		return fmt.Sprintf("dn        1001\nkind      %s\nstate     ● InSrv\nowner     sip1\nsite      dc1\nreason    registered\nfor       2s\nroutable  yes\nagent     -\nin use    -\n", kind)
	}
	for kind, tc := range map[configpb.DNKind]struct {
		d    *configpb.DN
		want string
	}{
		configpb.DNKind_DN_KIND_SIP:           {&configpb.DN{Groups: []string{"sales", "support"}, Revision: 7}, "enabled   yes\ngroups    sales, support\nrevision  7\n"},
		configpb.DNKind_DN_KIND_PSTN:          {&configpb.DN{External: "+15551234567", Disabled: true}, "enabled   no\ngroups    -\nexternal  +15551234567\nrevision  0\n"},
		configpb.DNKind_DN_KIND_TRUNK:         {&configpb.DN{Trunk: &configpb.Trunk{Address: "gw:5060", Prefix: "0"}}, "enabled   yes\ngroups    -\naddress   gw:5060\nprefix    0\nrevision  0\n"},
		configpb.DNKind_DN_KIND_ROUTING_POINT: {&configpb.DN{RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales"}}, "enabled   yes\ngroups    -\ndefault   sales\nrevision  0\n"},
		configpb.DNKind_DN_KIND_UNSPECIFIED:   {nil, "config    not configured\n"},
	} {
		c, out := plainCLI()
		if tc.d != nil {
			tc.d.Kind = kind
		}
		s := &tcpb.DNStatus{
			Dn: "1001", Kind: kind.Word(), State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED,
			Since: timestamppb.New(noon.Add(-2 * time.Second)), Routable: true,
		}
		out.Reset()
		if err := c.printDN(s, tc.d); err != nil {
			t.Fatal(err)
		}
		same(t, out.String(), head(dash(kind.Word()))+tc.want)
	}
}
