package sip

import (
	"bytes"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"

	sipgo "github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// gate is where every message is checked before sipgo sees it. What is broken
// or asks for what nobody here does is answered at once; what goes on is tidy.
type gate struct {
	stats  *answer.Counters
	log    *slog.Logger
	fast   []*registrar.Fast // of the hands that serve datagrams; none without UDP
	seed   maphash.Seed
	parser *sipgo.Parser
	guard  *guard.Guard
	// pong takes the answers to our own OPTIONS; false for other responses.
	pong func(branch []byte, source netip.AddrPort) bool
	// notify takes what phones tell of calls that they were asked for; false for other
	// NOTIFYs. nil without calls.
	notify func(m *message.Message) bool
	// proxied serves what is the proxy's. nil without calls.
	proxied func(in *wire.Arrival)
	// doors tells what is served yet.
	doors *doors
}

// allowed is what a request may ask for of a node without calls.
const allowed = "REGISTER, OPTIONS, ACK, CANCEL"

func (g *gate) allow() string {
	if g.proxied != nil {
		return proxy.Allowed
	}
	return allowed
}

// forwards tells whether a request is the proxy's: all but REGISTER, and
// OPTIONS that did not follow a Route here.
func (g *gate) forwards(m *message.Message) bool {
	if g.proxied == nil {
		return false
	}
	switch string(m.Method) {
	case "REGISTER", "PUBLISH":
		return false
	case "OPTIONS":
		return m.Has(message.Route) && m.Tag(message.To) != nil
	}
	return true
}

// known are the methods of RFC 3261 and its extensions; others get 501.
var known = map[string]bool{
	"REGISTER": true, "OPTIONS": true, "ACK": true, "CANCEL": true, "INVITE": true, "BYE": true, "PRACK": true,
	"SUBSCRIBE": true, "NOTIFY": true, "PUBLISH": true, "INFO": true, "REFER": true, "MESSAGE": true, "UPDATE": true,
}

// Serve implements handler: a boring REGISTER takes the fast way. A panic costs
// only that message.
func (g *gate) Serve(in *wire.Arrival) {
	defer func() {
		if p := recover(); p != nil {
			g.panicked(in, p)
		}
	}()
	switch g.doors.enter() {
	case nobody:
		return
	case phones:
		defer g.doors.leave()
		g.early(in)
		return
	}
	if in.Transport == location.UDP && g.fast[in.Hand].Serve(in) {
		return
	}
	if g.check(in) {
		g.proxied(in)
	}
}

// panicked answers 500 to a datagram that made something panic, and closes the
// connection of another message.
func (g *gate) panicked(in *wire.Arrival, p any) {
	g.stats.Panics.Add(1)
	in.Begin(in.Data, in.Source, in.Transport, in.Reply)
	if in.HangUp = in.Transport.Connected() && in.Peer == ""; in.HangUp {
		g.log.Error("a message made the SIP port panic; its connection is closed", "panic", p)
		return
	}
	g.log.Error("a message made the SIP port panic; it was answered 500", "panic", p)
	again := &wire.Arrival{Answer: answer.Answer{Code: 500, Reason: "Server Internal Error"}}
	if again.Msg.Parse(in.Data, in.Peer != "") == nil && again.Msg.IsRequest() {
		g.refuse(again, in.Source)
		in.Reply, in.ReplyTo = append(in.Reply, again.Reply...), again.ReplyTo
	}
}

// Unframed implements handler.
func (g *gate) Unframed(in *wire.Arrival, why error) {
	if in.Msg.Parse(in.Data, true) != nil || !in.Msg.IsRequest() {
		return
	}
	in.Answer.Reset()
	in.Answer.Set(400, "Bad Content-Length")
	if errors.Is(why, message.ErrTooLarge) {
		in.Answer.Set(513, "Message Too Large")
	}
	g.stats.Malformed.Add(1)
	g.refuse(in, in.Source)
}

// check reads the message in the data, which it changes, and fills the rest of
// in. It is true for a message that goes to the proxy.
func (g *gate) check(in *wire.Arrival) (proxied bool) {
	in.Answer.Reset()
	if in.Msg.Parse(in.Data, in.Transport.Stream()) != nil {
		g.stats.Malformed.Add(1)
		return false
	}
	m, source := &in.Msg, in.Source
	if !m.IsRequest() {
		return g.response(in)
	}
	g.screen(m, &in.Answer)
	if in.Answer.Code == 0 && g.notified(in) {
		return false
	}
	if in.Answer.Code == 0 && g.forwards(m) {
		g.stats.Plain.Add(1)
		m.Source = source
		return true
	}
	if in.Answer.Code == 0 && in.Peer != "" {
		in.Answer.Set(405, "Method Not Allowed") // each node answers its own
	}
	if in.Answer.Code == 0 {
		in.Tidy = m.AppendTidy(in.Tidy, source, !in.Transport.Connected())
		if g.readable(in) {
			return false
		}
	}
	g.stats.Malformed.Add(1)
	g.refuse(in, source)
	return false
}

// readable makes sure that sipgo will not drop the message silently.
func (g *gate) readable(in *wire.Arrival) bool {
	if !in.Transport.Connected() && len(in.Tidy) > wire.MaxTidy {
		in.Answer.Set(513, "Message Too Large")
	} else if _, err := g.parser.ParseSIP(in.Tidy); err != nil {
		in.Answer.Set(400, "Bad Request")
	} else {
		g.stats.Plain.Add(1)
		return true
	}
	in.Tidy = in.Tidy[:0]
	return false
}

// response passes on what a transaction may wait for; true when that is the
// proxy's.
func (g *gate) response(in *wire.Arrival) (proxied bool) {
	m := &in.Msg
	hop, ok := m.TopVia()
	if !ok || m.Fault != nil {
		g.stats.Malformed.Add(1)
		return false
	}
	if branch, _ := message.Param(hop.Params, "branch"); g.pong(branch, in.Source) {
		return false
	} else if g.proxied != nil && proxy.IsBranch(branch) {
		return true
	}
	if in.Peer != "" {
		return false // nobody asked
	}
	in.Tidy = m.AppendTidy(in.Tidy, netip.AddrPort{}, false)
	if _, err := g.parser.ParseSIP(in.Tidy); err != nil {
		g.stats.Malformed.Add(1)
		in.Tidy = in.Tidy[:0]
	}
	return false
}

// refuse writes the answer to a request that goes no further. An ACK is never answered.
func (g *gate) refuse(in *wire.Arrival, source netip.AddrPort) {
	m := &in.Msg
	if string(m.Method) == "ACK" {
		return
	}
	g.stats.Answered(in.Answer.Code)
	a := message.Answer{Code: in.Answer.Code, Reason: in.Answer.Reason, Lines: in.Answer.Lines}
	var tag [16]byte
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	a.ToTag = answer.AppendToTag(tag[:0], g.seed, m.Get(message.CallID), cseq)
	in.Reply = m.AppendAnswer(in.Reply, source, &a)
	in.ReplyTo = m.AnswerTo(source)
}

// screen refuses what is broken or not supported, by leaving an answer.
func (g *gate) screen(m *message.Message, a *answer.Answer) {
	switch {
	case m.Fault != nil:
		a.Fault(m.Fault)
	case !known[string(m.Method)]:
		a.Set(501, "Not Implemented")
		a.Header("Allow", g.allow())
	case g.exhausted(m):
		a.Set(483, "Too Many Hops")
	case string(m.Method) != "ACK" && string(m.Method) != "CANCEL":
		screenExtensions(m, a, g.forwards(m))
	}
}

// exhausted tells whether the request would have to be forwarded and must not
// be (RFC 3261 §16.3).
func (g *gate) exhausted(m *message.Message) bool {
	hops := m.Get(message.MaxForwards)
	if len(hops) == 0 || len(bytes.Trim(hops, "0")) > 0 {
		return false
	}
	u, ok := message.ParseURI(m.URI)
	return !ok || len(u.User) > 0 || !g.guard.Mine(u.Host)
}

// extensions are those of what this node serves itself.
var extensions = [...]string{"path", gruu.Option}

// met tells whether this node has an extension that a request demands of it (RFC 3261
// §8.2.2.3), of a proxy on its way (§16.3): privacy.
func met(tag []byte, k message.Kind) bool {
	if k == message.ProxyRequire {
		return message.EqualFold(tag, "privacy")
	}
	return slices.ContainsFunc(extensions[:], func(e string) bool { return message.EqualFold(tag, e) })
}

// screenExtensions refuses what Require and Proxy-Require demand beyond what is known. What
// Require says is not for a proxy (§16.3).
func screenExtensions(m *message.Message, a *answer.Answer, forwarded bool) {
	var unsupported []byte
	for _, k := range [...]message.Kind{message.Require, message.ProxyRequire} {
		if forwarded && k == message.Require {
			continue
		}
		for v := range m.All(k) {
			for tag := range message.Elements(v) {
				if len(tag) == 0 || met(tag, k) {
					continue
				}
				if len(unsupported) > 0 {
					unsupported = append(unsupported, ", "...)
				}
				unsupported = append(unsupported, tag...)
			}
		}
	}
	if len(unsupported) > 0 {
		a.Set(420, "Bad Extension")
		a.Header("Unsupported", string(unsupported))
	}
}
