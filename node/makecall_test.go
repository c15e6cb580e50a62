package node

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// refers waits for the REFER that a phone gets, and answers it.
func refers(u *siptest.UA, code int, reason string, headers ...string) <-chan *siptest.Message {
	got := make(chan *siptest.Message, 16)
	u.OnRequest(func(m *siptest.Message) bool {
		if m.Method != "REFER" {
			return false
		}
		_ = u.Respond(m, code, reason, "phone", headers...)
		got <- m
		return true
	})
	return got
}

// makers are a session at n1 and phones at n2, who are asked.
func makers(t *testing.T) (a, b *member, w *tlib.Client, caller, called *siptest.UA) {
	t.Helper()
	a, b = twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	caller, called = b.phone(t, "1001"), a.phone(t, "1002")
	a.says(t, "1001", "IN_SRV n2@site-n2")
	b.says(t, "1002", "IN_SRV n1@site-n1")
	w = opened(t, a.cfg.TCAddr)
	if _, err := w.RegisterAddress(t.Context(), "1001", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	return a, b, w, caller, called
}

// A phone at another node than the client's is asked to call a DN, and does: the answer has
// the ConnID that everybody hears of. The same request again makes no other call.
func TestMakeCall_ThePhoneCallsAndTheAnswerHasTheConnID(t *testing.T) {
	_, _, w, caller, called := makers(t)
	got := refers(caller, 202, "Accepted", "Refer-Sub: false")
	ctx, cancel := siptest.Within(2 * soon)
	defer cancel()
	type outcome struct {
		e   *tlibpb.Event
		err error
	}
	answered := make(chan outcome, 1)
	go func() {
		e, err := w.MakeCall(ctx, "1001", "1002", "click-1")
		answered <- outcome{e, err}
	}()
	var m *siptest.Message
	select {
	case m = <-got:
	case <-ctx.Done():
		t.Fatal("no REFER has come to the phone")
	}
	to := m.Header("Refer-To")
	if !strings.HasPrefix(to, "<sip:1002@") || !strings.Contains(m.Header("Referred-By"), "sipcluster@") || m.Header("Refer-Sub") != "false" {
		t.Fatalf("REFER to %s by %s", to, m.Header("Referred-By"))
	}
	out, err := caller.Place(ctx, strings.Trim(to, "<>"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := called.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o := <-answered
	if o.err != nil {
		t.Fatal(o.err)
	}
	c := o.e.GetDialing().GetCall()
	if c.GetConnId() == "" || c.GetOtherDn() != "1002" || o.e.GetThisDn() != "1001" {
		t.Fatalf("answered %v", o.e)
	}
	told := hears(t, w, tlibpb.Message_MESSAGE_EVENT_DIALING)
	if id := told.GetDialing().GetCall().GetConnId(); id != c.GetConnId() {
		t.Errorf("told of call %s, answered %s", id, c.GetConnId())
	}
	again, err := w.MakeCall(ctx, "1001", "1002", "click-1")
	if err != nil || again.GetDialing().GetCall().GetConnId() != c.GetConnId() {
		t.Errorf("the same again: %v %v", again, err)
	}
	if len(got) > 0 {
		t.Error("the same again asked the phone again")
	}
	if err := in.Refuse(486, "Busy Here"); err != nil {
		t.Fatal(err)
	}
	if r, err := out.Await(ctx, 486); err != nil {
		t.Fatal(r, err)
	}
}

// Where the phone takes no REFER, or tells that it makes no call, the answer comes at once.
func TestMakeCall_WhyNot(t *testing.T) {
	_, b, w, caller, _ := makers(t)
	fails := func(what, number string, code tlibpb.ErrorCode) {
		t.Helper()
		ctx, cancel := siptest.Within(soon)
		defer cancel()
		_, err := w.MakeCall(ctx, "1001", number, "")
		var refused *tlib.Error
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s: %v, want %v", what, err, code)
		}
	}
	refers(caller, 405, "Method Not Allowed", "Allow: INVITE, ACK, CANCEL, BYE")
	fails("405", "1002", tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION)
	refers(caller, 603, "Decline")
	fails("603", "1002", tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION)
	fails("itself", "1001", tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE)

	got := refers(caller, 202, "Accepted")
	notified := make(chan string, 1)
	go func() {
		select {
		case m := <-got:
			notified <- notify(b.cfg.SIPAddr, m)
		case <-time.After(soon):
			notified <- "no REFER"
		}
	}()
	fails("a NOTIFY of 603", "1002", tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION)
	if r := <-notified; !strings.HasPrefix(r, "SIP/2.0 200 ") {
		t.Errorf("the NOTIFY was answered %q", r)
	}
}

// notify sends a NOTIFY of the phone that got the REFER, and returns what comes back.
func notify(node string, m *siptest.Message) string {
	c, err := net.Dial("udp", node)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(soon))
	body := "SIP/2.0 603 Decline\r\n"
	contact := strings.Trim(m.Header("Contact"), "<>")
	_, _ = fmt.Fprintf(c, "NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKn1\r\nMax-Forwards: 70\r\nFrom: %s;tag=phone\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 NOTIFY\r\n"+
		"Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContact: <sip:1001@%s>\r\nContent-Type: message/sipfrag\r\nContent-Length: %d\r\n\r\n%s",
		contact, c.LocalAddr(), m.Header("To"), m.Header("From"), m.Header("Call-ID"), c.LocalAddr(), len(body), body)
	b := make([]byte, 2000)
	n, err := c.Read(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}
