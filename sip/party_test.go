package sip

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// party is somebody who talks to a node in a bubble: it says what its script
// says, and nothing by itself. It has one call.
type party struct {
	t      testing.TB
	name   string
	number string
	via    string // UDP or TCP
	params string // of the contact that is registered
	port   *siptest.Port
	conn   net.Conn // of TCP
	node   netip.AddrPort

	heard   map[string]string // the last of each request and of each method's responses
	sent    map[string]string // the last request of each method
	branch  int
	cseq    int
	caller  bool
	remote  string   // To or From of the other side
	target  string   // its Contact
	routes  []string // of requests within the call
	invited string   // Call-ID
}

const partyTag = ";tag=p"

// write sends text to the party's node.
func (p *party) write(text string) {
	p.t.Helper()
	var err error
	if p.conn != nil {
		_, err = io.WriteString(p.conn, text)
	} else {
		_, err = p.port.WriteTo([]byte(text), net.UDPAddrFromAddrPort(p.node))
	}
	if err != nil {
		p.t.Errorf("%s cannot say %q: %v", p.name, firstLine(text), err)
	}
}

// take notes what came.
func (p *party) take(text string) {
	what := word(text)
	if strings.HasPrefix(text, "SIP/2.0 ") {
		_, what, _ = strings.Cut(header(text, "CSeq"), " ")
		p.heard["answer "+what] = text
		if to := header(text, "To"); what == "INVITE" && strings.Contains(to, ";tag=") {
			p.learn(text, to)
		}
		return
	}
	p.heard[what] = text
	if what == "INVITE" && !strings.Contains(header(text, "To"), ";tag=") {
		p.invited, p.caller, p.routes = header(text, "Call-ID"), false, headers(text, "Record-Route")
		p.remote, p.target = header(text, "From"), inside(header(text, "Contact"))
	}
}

// learn takes the dialog out of a response.
func (p *party) learn(text, to string) {
	p.remote = to
	p.target = cmp.Or(inside(header(text, "Contact")), p.target)
	routes := headers(text, "Record-Route")
	if slices.Reverse(routes); len(routes) > 0 {
		p.routes = routes // that of a re-INVITE has none
	}
}

// anew says a request outside of what was said before: an INVITE begins a call.
func (p *party) anew(method, callID, number string) {
	p.caller, p.invited, p.routes = true, callID, nil
	p.target, p.remote = uriTo(number), "<"+uriTo(number)+">"
	p.request(method)
}

// again repeats the last request of a method.
func (p *party) again(method string) { p.write(p.sent[method]) }

// request says something new: within the call once that is answered.
func (p *party) request(method string, lines ...string) {
	p.branch++
	p.cseq++
	p.sent[method] = p.compose(method, p.target, fmt.Sprintf("z9hG4bK%s%d", p.name, p.branch), p.cseq, p.routes, lines)
	p.write(p.sent[method])
}

func (p *party) compose(method, uri, branch string, cseq int, routes, lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\nMax-Forwards: 70\r\n", method, uri, p.via, p.addr(), branch)
	for _, r := range routes {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\n", p.local(), p.remote, p.invited, cseq, method, p.contact())
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String() + "Content-Length: 0\r\n\r\n"
}

func (p *party) local() string {
	if p.caller {
		return "<" + uriTo(p.number) + ">" + partyTag + p.name
	}
	return header(p.heard["INVITE"], "To") + toTag(p.heard["INVITE"], p.name)
}

func (p *party) addr() string { return p.address().String() }

func (p *party) address() netip.AddrPort {
	if p.conn != nil {
		return p.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	}
	return p.port.LocalAddr().(*net.UDPAddr).AddrPort()
}

func (p *party) contact() string {
	if p.conn != nil {
		return "sip:" + p.number + "@" + p.addr() + ";transport=tcp"
	}
	return "sip:" + p.number + "@" + p.addr()
}

// hop says the ACK of a failure, or CANCEL: with the branch of the INVITE.
func (p *party) hop(method string) {
	invite := p.sent["INVITE"]
	_, branch, _ := strings.Cut(header(invite, "Via"), "branch=")
	to := header(invite, "To")
	if method == "ACK" {
		to = header(p.heard["answer INVITE"], "To")
	}
	number, _, _ := strings.Cut(header(invite, "CSeq"), " ")
	n, _ := strconv.Atoi(number)
	keep := p.remote
	p.remote = to
	p.sent[method] = p.compose(method, strings.Fields(invite)[1], branch, n, headers(invite, "Route"), nil)
	p.remote = keep
	p.write(p.sent[method])
}

// ack says the ACK of the last final response.
func (p *party) ack() {
	if word(p.heard["answer INVITE"]) >= "300" {
		p.hop("ACK")
		return
	}
	number, _, _ := strings.Cut(header(p.sent["INVITE"], "CSeq"), " ")
	n, _ := strconv.Atoi(number)
	p.branch++
	p.sent["ACK"] = p.compose("ACK", p.target, fmt.Sprintf("z9hG4bK%s%d", p.name, p.branch), n, p.routes, nil)
	p.write(p.sent["ACK"])
}

// respond answers the last request of a method.
func (p *party) respond(code int, method string, lines ...string) {
	p.t.Helper()
	req := p.heard[method]
	if req == "" {
		p.t.Errorf("%s heard no %s to answer", p.name, method)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d X\r\n", code)
	for _, name := range []string{"Via", "Record-Route"} {
		for _, v := range headers(req, name) {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	to := header(req, "To")
	if code > 100 {
		to += toTag(req, p.name)
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <%s>\r\n", header(req, "From"), to, header(req, "Call-ID"), header(req, "CSeq"), p.contact())
	for _, l := range lines {
		if l != "" {
			b.WriteString(l + "\r\n")
		}
	}
	p.write(b.String() + "Content-Length: 0\r\n\r\n")
}

// toTag is the tag that a request's To has not yet.
func toTag(req, name string) string {
	if strings.Contains(header(req, "To"), ";tag=") {
		return ""
	}
	return partyTag + name
}

// receive reads until the end of the socket and tells each message.
func (p *party) receive(tell func(text string)) {
	if p.conn == nil {
		buf := make([]byte, 65536)
		for {
			n, _, err := p.port.ReadFrom(buf)
			if err != nil {
				return
			}
			tell(string(buf[:n]))
		}
	}
	var message strings.Builder
	for r := bufio.NewReader(p.conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if message.WriteString(line); line == "\r\n" { // nobody sends a body
			tell(message.String())
			message.Reset()
		}
	}
}

// word is the method of a request, or the code of a response.
func word(text string) string {
	fields := strings.Fields(firstLine(text))
	if len(fields) > 1 && fields[0] == "SIP/2.0" {
		return fields[1]
	}
	if len(fields) > 0 {
		return fields[0]
	}
	return "keep-alive"
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\r\n")
	return line
}

func headers(text, name string) (out []string) {
	for line := range strings.SplitSeq(text, "\r\n") {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			out = append(out, v)
		}
	}
	return out
}

func header(text, name string) string {
	if all := headers(text, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// inside is the URI of an address in angle brackets.
func inside(address string) string {
	_, rest, _ := strings.Cut(address, "<")
	uri, _, _ := strings.Cut(rest, ">")
	return uri
}
