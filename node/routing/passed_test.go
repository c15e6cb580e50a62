package routing

import (
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/invite"
)

// failing is a call for which two addresses of each trunk are tried in vain before the
// outcome.
type failing struct{ *script }

func (f failing) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	t.Tried(invite.Way{Address: "udp 192.0.2.8:5060", Code: 408, Reason: "Request Timeout"})
	t.Tried(invite.Way{Address: "tls 192.0.2.9:5061", Code: 503, Reason: "Service Unavailable"})
	return f.script.Send(t, progress, done)
}

// TestRouting_SaysWhichAddressesOfTrunksWereTried: the events of the call do, and so that
// it stays within bounds.
func TestRouting_SaysWhichAddressesOfTrunksWereTried(t *testing.T) {
	x := newExchange(t)
	in := &script{called: "+19", origin: invite.Origin{DN: "1004"}, caller: t.Context(), answers: map[string]invite.Outcome{
		"+19 at gw1": {Code: 503, Retry: true}, "+19 at gw2": overAtOnce(),
	}}
	x.r.Arrive(failing{in})
	patience.Ended("the call is served", in.beside.Wait)
	var said string
	for x.log.Seq() < x.calls.Head() {
		items, err := x.log.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Event != nil && it.Event.Info != nil {
				said = it.Event.UserData[TrunksTried]
			}
		}
	}
	const each = "%[1]s udp 192.0.2.8:5060 408 Request Timeout; %[1]s tls 192.0.2.9:5061 503 Service Unavailable"
	if want := fmt.Sprintf(each, "gw1") + "; " + fmt.Sprintf(each, "gw2"); said != want {
		t.Errorf("the last event says %q, want %q", said, want)
	}
}
