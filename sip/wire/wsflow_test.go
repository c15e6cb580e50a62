package wire

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// webSocket is one in the time of a bubble, and its phone's end.
func (p *pipes) webSocket() (*Flow, net.Conn) {
	server, phone := net.Pipe()
	f := &Flow{Conn: &wsConn{Conn: server}, l: p.l, pending: newPending(p.l.flows.seed), Closed: make(chan struct{}),
		peer: netip.MustParseAddrPort("192.0.2.1:5060"), frames: &frames{limit: MaxStreamed}}
	_, _ = p.l.flows.add(f)
	return f, phone
}

// answersPings is a phone that does, and says nothing else.
func (p *pipes) answersPings() *Flow {
	f, phone := p.webSocket()
	go func() {
		r := bufio.NewReader(phone)
		for {
			first, payload, err := siptest.ServerFrame(r)
			if err != nil {
				return
			}
			if first == 0x89 {
				_, _ = io.WriteString(phone, siptest.ClientFrame(0x8a, string(payload)))
			}
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, f)
		f.Close()
	}()
	return f
}

// TestWebSocket_PongsKeepNobody: a connection over which nobody registers ends,
// however willingly its browser answers pings; a registered one stays.
func TestWebSocket_PongsKeepNobody(t *testing.T) {
	for _, registered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			f, began := p.answersPings(), time.Now()
			if registered {
				p.l.flows.Attach(f.key(), "1001")
			}
			for open := true; open && time.Since(began) < 10*IdleFlow; {
				select {
				case <-f.Closed:
					open = false
				case <-time.After(wsKeepAlive):
					f.PingWebSocket()
				}
			}
			if d := time.Since(began); registered != (d >= 10*IdleFlow) || !registered && d != IdleFlow {
				t.Errorf("registered %v: ended after %v", registered, d)
			}
			f.Close()
		})
	}
}

// TestWebSocket_SlowMessages end their connection when a message has taken too
// long, whatever control frames come between its parts.
func TestWebSocket_SlowMessages(t *testing.T) {
	for name, begin := range map[string]string{
		"fragment":     siptest.ClientFrame(1, "OPTIONS"),
		"header":       "\x81",
		"part of it":   siptest.ClientFrame(0x81, "OPTIONS")[:8],
		"whole before": siptest.ClientFrame(0x81, "x") + siptest.ClientFrame(1, "y"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, phone := newPipes().webSocket()
				began := time.Now()
				go func() { _, _ = io.Copy(io.Discard, phone) }()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = io.WriteString(phone, begin)
					for name == "fragment" {
						if _, err := io.WriteString(phone, siptest.ClientFrame(0x8a, "")); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				}()
				_, _ = io.Copy(io.Discard, f)
				f.Close()
				d := time.Since(began)
				patience.Receive(t, "the end of the browser", done)
				if d < wholeMessage || d > wholeMessage+lastAnswers {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}
