package sip

import (
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestProxy_APhoneOfTwoFlowsRingsOnce (RFC 5626 §7): what it says by one flow counts; it is
// called by the other one when the first does not lead there.
func TestProxy_APhoneOfTwoFlowsRingsOnce(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, flows := w.ua("udp", "1001"), []*siptest.UA{w.stranger("tcp", "1002"), w.stranger("tcp", "1002")}
	for i, u := range flows {
		res, err := u.Do(s.ctx, siptest.Request{Method: "REGISTER", Headers: []string{fmt.Sprintf(`Contact: <%s>;+sip.instance="<urn:uuid:9>";reg-id=%d`, u.Contact(), 1+i)}})
		s.ok(err)
		if res.Code != 200 || len(res.Headers("Contact")) != 1+i {
			t.Fatal(res)
		}
	}
	out := s.place(a, "1002")
	s.ok(s.take(flows[0]).Refuse(486, "Busy Here"))
	s.awaitAlone(out, 486, flows[1])

	out = s.place(a, "1002")
	s.ok(s.take(flows[0]).Refuse(430, "Flow Failed"))
	s.ok(s.take(flows[1]).Refuse(603, "Decline"))
	s.await(out, 603)

	out = s.place(a, "1002")
	s.ok(s.take(flows[0]).Ring())
	s.await(out, 180)
	flows[0].Close()
	in := s.take(flows[1])
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}
