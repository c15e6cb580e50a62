package siptest

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Response is what the server answered.
type Response struct {
	Code    int
	Reason  string
	Body    string
	headers [][2]string
}

// Header is the value of the first header of that name, "" without one.
func (r *Response) Header(name string) string {
	for _, h := range r.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// Headers are all values of the name.
func (r *Response) Headers(name string) (out []string) {
	for _, h := range r.headers {
		if strings.EqualFold(h[0], name) {
			out = append(out, h[1])
		}
	}
	return out
}

// Expires is the lifetime that the response grants to a contact.
func (r *Response) Expires(contact string) (time.Duration, bool) {
	for _, c := range r.Headers("Contact") {
		uri, params, _ := strings.Cut(strings.TrimPrefix(c, "<"), ">")
		if uri != contact {
			continue
		}
		for param := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(param, "expires="); ok {
				n, err := strconv.Atoi(v)
				return time.Duration(n) * time.Second, err == nil
			}
		}
	}
	return 0, false
}

// receive reads until the socket is closed.
func (p *Phone) receive() {
	defer close(p.done)
	if p.cfg.Transport == "udp" {
		buf := make([]byte, 65535)
		for {
			n, err := p.conn.Read(buf)
			if err != nil {
				if errors.Is(err, syscall.ECONNREFUSED) {
					continue // the server is down for the moment
				}
				return
			}
			p.message(string(buf[:n]))
		}
	}
	for r := bufio.NewReader(p.conn); ; {
		text, err := readMessage(r)
		if err != nil {
			return
		}
		p.message(text)
	}
}

// readMessage reads a message off a stream.
func readMessage(r *bufio.Reader) (string, error) {
	var head strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			if head.Len() == 0 {
				continue
			}
			break
		}
		if name, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(name), "content-length") {
			if length, err = strconv.Atoi(strings.TrimSpace(v)); err != nil {
				return "", err
			}
		}
		head.WriteString(line)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return head.String() + "\r\n" + string(body), err
}

func (p *Phone) message(text string) {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	first := strings.SplitN(lines[0], " ", 3)
	if len(first) < 3 {
		return
	}
	var headers [][2]string
	for _, l := range lines[1:] {
		if name, v, ok := strings.Cut(l, ":"); ok {
			headers = append(headers, [2]string{strings.TrimSpace(name), strings.TrimSpace(v)})
		}
	}
	if first[0] != "SIP/2.0" {
		p.mu.Lock()
		calls := p.calls
		p.mu.Unlock()
		m := &Message{Method: first[0], URI: first[1], Body: body, Response: Response{headers: headers}}
		if calls == nil || !calls.request(m) {
			p.request(m)
		}
		return
	}
	code, err := strconv.Atoi(first[1])
	if err != nil {
		return
	}
	res := &Response{Code: code, Reason: first[2], Body: body, headers: headers}
	_, branch, _ := strings.Cut(res.Header("Via"), ";branch=")
	branch, _, _ = strings.Cut(branch, ";")
	if strings.HasSuffix(res.Header("CSeq"), "CANCEL") {
		return // its branch is that of the INVITE
	}
	p.mu.Lock()
	calls := p.calls
	p.mu.Unlock()
	if _, method, _ := strings.Cut(res.Header("CSeq"), " "); calls != nil {
		calls.answered(branch, method, code)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.waiting[branch]; got != nil {
		select {
		case got <- res:
		default: // more repetitions than anybody waits for
		}
	}
}

// request answers OPTIONS with 200, what is within a call that it has not with 481
// (RFC 3261 §12.2.2), and anything else but ACK with 501.
func (p *Phone) request(m *Message) {
	if p.cfg.Heard != nil {
		p.cfg.Heard(m)
	}
	p.mu.Lock()
	p.asked++
	mute := p.mute
	p.mu.Unlock()
	if mute || m.Method == "ACK" {
		return
	}
	status, tag := "501 Not Implemented", ";tag="+p.tag
	switch {
	case tagOf(m.Header("To")) != "":
		status, tag = "481 Call/Transaction Does Not Exist", ""
	case m.Method == "OPTIONS":
		status = "200 OK"
	}
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, h := range m.headers {
		switch strings.ToLower(h[0]) {
		case "to":
			b.WriteString("To: " + h[1] + tag + "\r\n")
		case "via", "from", "call-id", "cseq":
			b.WriteString(h[0] + ": " + h[1] + "\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	_, _ = p.conn.Write([]byte(b.String()))
}
