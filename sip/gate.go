package sip

import (
	"bytes"
	"hash/maphash"
	"net/netip"

	sipgo "github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// gate is where every message is checked before sipgo sees it. What is broken
// or asks for what nobody here does is answered at once; what goes on is tidy.
type gate struct {
	stats  *counters
	seed   maphash.Seed
	parser *sipgo.Parser
	guard  *guard
	// pong takes the answers to our own OPTIONS; false for other responses.
	pong func(branch []byte, source netip.AddrPort) bool
	// proxied serves what is the proxy's. nil without calls.
	proxied func(m *message.Message, source netip.AddrPort, t location.Transport)
}

// arrival is one message on its way in. It is used again for the next one.
type arrival struct {
	msg message.Message
	// tidy is what goes on to sipgo; empty when nothing does.
	tidy []byte
	// proxied says that msg goes to the proxy instead.
	proxied bool
	// reply is what goes back at once, to replyTo; empty when nothing does.
	reply   []byte
	replyTo netip.AddrPort
	answer  answer
}

// What a request may ask for: of a node without calls, and of one with them.
const (
	allowed     = "REGISTER, OPTIONS, ACK, CANCEL"
	allowedCall = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY"
)

func (g *gate) allow() string {
	if g.proxied != nil {
		return allowedCall
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

// check reads the message in data, which it changes, and fills the rest of in.
func (g *gate) check(in *arrival, data []byte, source netip.AddrPort, t location.Transport) {
	in.tidy, in.reply, in.proxied = in.tidy[:0], in.reply[:0], false
	in.answer.reset()
	if in.msg.Parse(data, t.Stream()) != nil {
		g.stats.malformed.Add(1)
		return
	}
	m := &in.msg
	if !m.IsRequest() {
		g.response(in, source)
		return
	}
	g.screen(m, &in.answer)
	if in.proxied = in.answer.code == 0 && g.forwards(m); in.proxied {
		g.stats.plain.Add(1)
		m.Source = source
		return
	}
	if in.answer.code == 0 {
		in.tidy = m.AppendTidy(in.tidy, source, !t.Connected())
		if g.readable(in.tidy, t, &in.answer) {
			g.stats.plain.Add(1)
			return
		}
		in.tidy = in.tidy[:0]
	}
	g.stats.malformed.Add(1)
	g.refuse(in, source)
}

// readable makes sure that sipgo will not drop the message silently.
func (g *gate) readable(tidy []byte, t location.Transport, a *answer) bool {
	if !t.Connected() && len(tidy) > maxDatagram {
		a.set(513, "Message Too Large")
		return false
	}
	if _, err := g.parser.ParseSIP(tidy); err != nil {
		a.set(400, "Bad Request")
		return false
	}
	return true
}

// response passes on what a transaction may wait for.
func (g *gate) response(in *arrival, source netip.AddrPort) {
	m := &in.msg
	hop, ok := m.TopVia()
	if !ok || m.Fault != nil {
		g.stats.malformed.Add(1)
		return
	}
	if branch, _ := message.Param(hop.Params, "branch"); g.pong(branch, source) {
		return
	} else if in.proxied = g.proxied != nil && bytes.HasPrefix(branch, []byte(branchPrefix)); in.proxied {
		return
	}
	in.tidy = m.AppendTidy(in.tidy, netip.AddrPort{}, false)
	if _, err := g.parser.ParseSIP(in.tidy); err != nil {
		g.stats.malformed.Add(1)
		in.tidy = in.tidy[:0]
	}
}

// refuse writes the answer to a request that goes no further. An ACK is never answered.
func (g *gate) refuse(in *arrival, source netip.AddrPort) {
	m := &in.msg
	if string(m.Method) == "ACK" {
		return
	}
	g.stats.answered(in.answer.code)
	a := message.Answer{Code: in.answer.code, Reason: in.answer.reason, Lines: in.answer.lines}
	var tag [16]byte
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	a.ToTag = appendToTag(tag[:0], g.seed, m.Get(message.CallID), cseq)
	in.reply = m.AppendAnswer(in.reply, source, &a)
	in.replyTo = m.AnswerTo(source)
}

// screen refuses what is broken or not supported, by leaving an answer.
func (g *gate) screen(m *message.Message, a *answer) {
	switch {
	case m.Fault != nil:
		a.fault(m.Fault)
	case !known[string(m.Method)]:
		a.set(501, "Not Implemented")
		a.header("Allow", g.allow())
	case g.exhausted(m):
		a.set(483, "Too Many Hops")
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
	return !ok || len(u.User) > 0 || !g.guard.mine(u.Host)
}

// screenExtensions refuses what Require and Proxy-Require demand beyond path
// (RFC 3261 §8.2.2.3). What Require says is not for a proxy (§16.3).
func screenExtensions(m *message.Message, a *answer, forwarded bool) {
	var unsupported []byte
	for _, k := range [...]message.Kind{message.Require, message.ProxyRequire} {
		if forwarded && k == message.Require {
			continue
		}
		for v := range m.All(k) {
			for tag := range bytes.SplitSeq(v, []byte(",")) {
				tag = bytes.TrimSpace(tag)
				if len(tag) == 0 || message.EqualFold(tag, "path") && k == message.Require {
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
		a.set(420, "Bad Extension")
		a.header("Unsupported", string(unsupported))
	}
}
