package sip

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestTrunk_RegistersAtItsCarrier with the account that it has there, keeps to the time that
// it is given, and takes the carrier's calls at the contact that it gave.
func TestTrunk_RegistersAtItsCarrier(t *testing.T) {
	for _, c := range []struct {
		status   int
		asks     string // of the challenge
		response func(ha1, cnonce, uri string) string
	}{
		{401, `qop="auth"`, func(ha1, cnonce, uri string) string {
			return md5Hex(ha1 + ":n1:00000001:" + cnonce + ":auth:" + md5Hex("REGISTER:"+uri))
		}},
		{407, `qop="auth"`, func(ha1, cnonce, uri string) string {
			return md5Hex(ha1 + ":n1:00000001:" + cnonce + ":auth:" + md5Hex("REGISTER:"+uri))
		}},
		{401, `algorithm=MD5-sess, qop="auth-int"`, func(ha1, cnonce, uri string) string {
			return md5Hex(md5Hex(ha1+":n1:"+cnonce) + ":n1:00000001:" + cnonce + ":auth-int:" + md5Hex("REGISTER:"+uri+":"+md5Hex("")))
		}},
	} {
		status := c.status
		t.Run(fmt.Sprint(status, " ", c.asks), func(t *testing.T) {
			w := callWorld(t, nil, "1002")
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
			s := newScript(t)
			came := make(chan *siptest.Message, 16)
			gw := w.carrier("", func(*configpb.Trunk) {})
			asks, answers := "WWW-Authenticate", "Authorization"
			if status == 407 {
				asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
			}
			gw.OnRequest(func(m *siptest.Message) bool {
				if m.Method != "REGISTER" {
					return false
				}
				if m.Header(answers) == "" {
					return gw.Respond(m, status, "Who?", "t", asks+`: Digest realm="carrier.test", nonce="n1", `+c.asks) == nil
				}
				came <- m
				return gw.Respond(m, 200, "OK", "t", "Contact: <sip:else@192.0.2.1>;expires=1, "+m.Header("Contact")+";expires=120", "Expires: 7") == nil
			})
			d := w.machine.View().DN("9000")
			d = &configpb.DN{Number: "9000", Kind: d.GetKind(), Trunk: &configpb.Trunk{
				Address: d.GetTrunk().GetAddress(), OutboundRealm: "carrier.test", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: md5Hex("we:carrier.test:secret")},
				Registration: &configpb.TrunkRegistration{Domain: "carrier.test", Called: "1002"},
			}}
			w.put(d)
			var m *siptest.Message
			select {
			case m = <-came:
			case <-s.ctx.Done():
				t.Fatal("no REGISTER that proves who it is")
			}
			var shown digest.Credentials
			if !shown.Parse([]byte(m.Header(answers))) || string(shown.Username) != "we" || m.Header("CSeq") != "2 REGISTER" || m.Header("Expires") != "600" {
				t.Errorf("%s, CSeq %s, Expires %s", m.Header(answers), m.Header("CSeq"), m.Header("Expires"))
			}
			if want := c.response(md5Hex("we:carrier.test:secret"), string(shown.CNonce), string(shown.URI)); string(shown.Response) != want {
				t.Errorf("%s: want the response %s", m.Header(answers), want)
			}
			if got, _, _ := strings.Cut(m.Header("To"), ";"); got != "<sip:we@carrier.test>" || !strings.HasPrefix(m.Header("From"), got) {
				t.Errorf("To %s, From %s", m.Header("To"), m.Header("From"))
			}
			var holds time.Time
			known := func() bool {
				st, ok := w.server.Registered("9000")
				holds = st.Until
				return ok && st.Node == w.table.Self() && !holds.IsZero()
			}
			until(t, "the registration is known", known)
			if left := time.Until(holds); left < 60*time.Second || left > 120*time.Second {
				t.Errorf("it holds for %v", left)
			}
			b := w.ua("udp", "1002")
			out, err := gw.Place(s.ctx, strings.Trim(m.Header("Contact"), "<>"))
			s.ok(err)
			s.ok(s.take(b).Refuse(486, "Busy Here"))
			s.await(out, 486)
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "9000"}}}})
			if m = patience.Receive(t, "a REGISTER that proves who it is", came); m.Header("Expires") != "0" {
				t.Errorf("the trunk is gone, and Expires is %s", m.Header("Expires"))
			}
			w.put(d)
			until(t, "it registers again, when it has been told", known)
		})
	}
}

// TestTrunk_SaysWhichDigestIsMissing: of a carrier that asks for one by SHA-256 alone, where
// one of MD5 is stored.
func TestTrunk_SaysWhichDigestIsMissing(t *testing.T) {
	w := callWorld(t, nil, "1002")
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
	gw := w.carrier("", func(*configpb.Trunk) {})
	gw.OnRequest(func(m *siptest.Message) bool {
		return m.Method == "REGISTER" && gw.Respond(m, 401, "Unauthorized", "t", `WWW-Authenticate: Digest realm="carrier.test", nonce="n1", qop="auth", algorithm=SHA-256`) == nil
	})
	d := w.machine.View().DN("9000")
	w.put(&configpb.DN{Number: "9000", Kind: d.GetKind(), Trunk: &configpb.Trunk{
		Address: d.GetTrunk().GetAddress(), OutboundRealm: "carrier.test", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: md5Hex("we:carrier.test:secret")},
		Registration: &configpb.TrunkRegistration{Domain: "carrier.test"},
	}})
	const want = "401 Unauthorized (The carrier wants a digest by SHA-256, which is not stored: set the password anew)"
	until(t, "the reason is told", func() bool {
		st, _ := w.server.Registered("9000")
		return st.Error == want
	})
}

// TestTrunk_RegistersAgainByAnotherConnection when that is gone by which it was registered:
// the carrier may know no other way.
func TestTrunk_RegistersAgainByAnotherConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	registered := make(chan net.Conn, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go answerAll(c, registered)
		}
	}()
	w := callWorld(t, nil, "1002")
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
		Address: l.Addr().String(), Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, OutboundRealm: "carrier.test",
		OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: md5Hex("we:carrier.test:secret")}, Registration: &configpb.TrunkRegistration{Domain: "carrier.test"},
	}})
	first := patience.Receive(t, "a REGISTER", registered)
	var before time.Time
	known := func() bool {
		st, _ := w.server.Registered("9000")
		was := before
		before = st.Succeeded
		return before.After(was)
	}
	until(t, "the registration is known", known)
	first.Close()
	if second := patience.Receive(t, "a REGISTER by another connection", registered); second == first {
		t.Error("it came by the one that is gone")
	}
	until(t, "the answer is known", known)
}

// answerAll answers what comes by a connection, none of which has a body, by 200, and hands
// the connection out for each REGISTER.
func answerAll(c net.Conn, registered chan<- net.Conn) {
	r := bufio.NewReader(c)
	for {
		method, back, contact := "", "", ""
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			name, _, _ := strings.Cut(line, ":")
			switch name = strings.ToLower(name); {
			case line == "\r\n" && method == "":
				continue // a keep-alive
			case method == "":
				method, _, _ = strings.Cut(line, " ")
			case name == "via" || name == "from" || name == "to" || name == "call-id" || name == "cseq":
				back += line
			case name == "contact":
				contact = line
			}
			if line == "\r\n" {
				break
			}
		}
		if method == "REGISTER" {
			back += contact
			registered <- c
		}
		if _, err := io.WriteString(c, "SIP/2.0 200 OK\r\n"+back+"Content-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}
