package sip

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// mailbox is a voicemail with a socket of its own. It answers each SUBSCRIBE 200.
type mailbox struct {
	t    *testing.T
	conn net.PacketConn
}

func newMailbox(t *testing.T) *mailbox {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &mailbox{t, conn}
}

// next is the next message that comes, and from where.
func (m *mailbox) next() (string, net.Addr) {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(patience.Limit))
	buf := make([]byte, 65536)
	n, from, err := m.conn.ReadFrom(buf)
	if err != nil {
		m.t.Error("waited for a message at the voicemail:", err)
		return "", nil
	}
	return string(buf[:n]), from
}

// subscribed answers a SUBSCRIBE and sends a NOTIFY within what it began.
func (m *mailbox) subscribed() (subscribe, notified string) {
	subscribe, server := m.next()
	if server == nil {
		return "", ""
	}
	say := func(text string) { _, _ = m.conn.WriteTo([]byte(text), server) }
	same := ""
	for _, h := range []string{"Via", "From", "Call-ID", "CSeq", "Record-Route"} {
		same += strings.Join(headerLines(subscribe, h), "\r\n") + "\r\n"
	}
	say("SIP/2.0 200 OK\r\n" + same + "To: " + headerOf(subscribe, "To") + ";tag=vm\r\nExpires: 600\r\nContact: <sip:vm@" + m.conn.LocalAddr().String() + ">\r\nContent-Length: 0\r\n\r\n")
	phone := strings.Trim(headerOf(subscribe, "Contact"), "<>")
	say("NOTIFY " + phone + " SIP/2.0\r\nVia: SIP/2.0/UDP " + m.conn.LocalAddr().String() + ";branch=z9hG4bKvm\r\nMax-Forwards: 70\r\nRoute: " + headerOf(subscribe, "Record-Route") +
		"\r\nFrom: " + headerOf(subscribe, "To") + ";tag=vm\r\nTo: " + headerOf(subscribe, "From") + "\r\nCall-ID: " + headerOf(subscribe, "Call-ID") +
		"\r\nCSeq: 1 NOTIFY\r\nEvent: message-summary\r\nSubscription-State: active\r\nContent-Length: 0\r\n\r\n")
	notified, _ = m.next()
	return subscribe, notified
}

// TestSubscribe_ToItself: what a phone wants to know of its own DN the voicemail's trunk is
// asked, and no phone; without one, or of what that does not know, the answer is 489.
func TestSubscribe_ToItself(t *testing.T) {
	for name, c := range map[string]struct {
		trunk, event string
		disabled     bool
		want         int
	}{
		"message-summary":        {"vm", "Event: message-summary", false, 200},
		"ua-profile, parameters": {"vm", `Event: UA-Profile;profile-type="device;,"`, false, 200},
		"reg, compact":           {"vm", "o: reg", false, 200},
		"of something else":      {"vm", "Event: dialog", false, 489},
		"no event":               {"vm", "Expires: 600", false, 489},
		"no voicemail":           {"", "Event: message-summary", false, 489},
		"it is no trunk":         {"1002", "Event: message-summary", false, 489},
		"it is not there":        {"gone", "Event: message-summary", false, 489},
		"it is disabled":         {"vm", "Event: message-summary", true, 489},
	} {
		t.Run(name, func(t *testing.T) {
			w := callWorld(t, nil, "1001", "1002")
			s, vm := newScript(t), newMailbox(t)
			w.options(&configpb.Options{Realm: testRealm, VoicemailTrunk: c.trunk})
			w.put(&configpb.DN{Number: "vm", Kind: configpb.DNKind_DN_KIND_TRUNK, Disabled: c.disabled, Trunk: &configpb.Trunk{Address: vm.conn.LocalAddr().String()}})
			if c.want == 200 {
				until(t, "the trunk is known", func() bool {
					n, _ := w.server.proxy.Trunk(mustAddrPort(vm.conn.LocalAddr().String()), location.UDP)
					return n == "vm"
				})
			}
			a := w.ua("udp", "1001")
			notified := make(chan string, 1)
			a.OnRequest(func(m *siptest.Message) bool {
				notified <- m.Method
				return a.Respond(m, 200, "OK", "a") == nil
			})
			type said struct{ subscribe, notified string }
			kept := make(chan said, 1)
			if c.want == 200 {
				go func() {
					subscribe, answer := vm.subscribed()
					kept <- said{subscribe, answer}
				}()
			}
			res, err := a.Do(s.ctx, siptest.Request{Method: "SUBSCRIBE", URI: uriTo("1001"), Headers: []string{c.event, "Contact: <sip:1001@" + a.Addr() + ">"}})
			if s.ok(err); res.Code != c.want {
				t.Fatalf("%d %s, want %d", res.Code, res.Reason, c.want)
			}
			if c.want != 200 {
				known := map[bool]string{true: "message-summary, reg, ua-profile", false: "refer"}[c.trunk == "vm" && !c.disabled]
				if got := res.Header("Allow-Events"); got != known {
					t.Errorf("Allow-Events: %q, want %q", got, known)
				}
				return
			}
			if got := patience.Receive(t, "what the voicemail was asked", kept); !strings.HasPrefix(got.subscribe, "SUBSCRIBE sip:1001@"+vm.conn.LocalAddr().String()+" ") || !strings.HasPrefix(got.notified, "SIP/2.0 200 ") {
				t.Errorf("%+v", got)
			}
			if got := patience.Receive(t, "the NOTIFY at the phone", notified); got != "NOTIFY" {
				t.Error("the phone was asked", got)
			}
		})
	}
}
