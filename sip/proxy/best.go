package proxy

import (
	"bytes"
	"strconv"

	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/message"
)

// verdict chooses the outcome of an attempt whose branches all failed
// (RFC 3261 §16.7 step 6). stopped is why we gave up ourselves; nil when we
// did not.
func verdict(results []result, stopped *Outcome) Outcome {
	best, retry := &results[0], true
	for i := range results {
		r := &results[i]
		retry = retry && r.retry
		if worth(r) < worth(best) {
			best = r
		}
	}
	if stopped != nil && best.code < 600 {
		return *stopped
	}
	out := Outcome{Outcome: invite.Outcome{Code: best.code, Reason: best.reason, Retry: retry}, res: best.res}
	if best.code == 401 || best.code == 407 {
		out.challenges = challenges(results, best)
	}
	if best.code == 503 {
		// That somebody behind us is overloaded does not say that we are.
		out.Code, out.Reason, out.res = 500, "Server Internal Error", nil
	}
	return out
}

// challenges are the lines of all others that ask the caller who it is: it can
// answer them all at once (RFC 3261 §16.7 step 7).
func challenges(results []result, best *result) (lines []byte) {
	for i := range results {
		r := &results[i]
		if r == best || r.res == nil || r.code != 401 && r.code != 407 {
			continue
		}
		for _, h := range r.res.Headers {
			if message.EqualFold(h.Name, "www-authenticate") || message.EqualFold(h.Name, "proxy-authenticate") {
				lines = append(append(append(append(lines, h.Name...), ": "...), h.Value...), "\r\n"...)
			}
		}
	}
	return lines
}

// worth orders final responses, the best first: 6xx, then what says most about
// how to call again, then the lower classes.
func worth(r *result) int {
	switch {
	case r.code >= 600:
		return r.code - 600
	case r.res == nil: // made up here
		return 900 + r.code
	case r.code == 401, r.code == 407, r.code == 415, r.code == 420, r.code == 484:
		return 400
	case r.code == 503:
		return 890
	}
	return r.code + 1
}

// inDialog writes a request of the caller within the dialog that res made.
func inDialog(res *message.Message, method string, cseq uint32, routes [][]byte, via []byte) []byte {
	uri := []byte("sip:unknown.invalid")
	if contact := res.Elements(message.Contact); len(contact) > 0 {
		if a, ok := message.ParseAddress(contact[0]); ok {
			uri = a.URI
		}
	}
	var b bytes.Buffer
	line := func(name string, value []byte) {
		b.WriteString(name)
		b.WriteString(": ")
		b.Write(value)
		b.WriteString("\r\n")
	}
	b.WriteString(method + " ")
	b.Write(uri)
	b.WriteString(" SIP/2.0\r\n")
	line("Via", via)
	for _, r := range routes {
		line("Route", r)
	}
	line("Max-Forwards", []byte("70"))
	line("From", res.Get(message.From))
	line("To", res.Get(message.To))
	line("Call-ID", res.Get(message.CallID))
	line("CSeq", append(strconv.AppendUint(nil, uint64(cseq), 10), " "+method...))
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}
