// Package history writes on a call that was forwarded from which number it was, and why:
// Diversion (RFC 5806), which carriers read, and History-Info (RFC 7044), and reads how
// often others have forwarded it. The proxy, which calls it, says how far either may go.
package history

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Step is that a call was forwarded.
type Step struct {
	// From is the address of the number at which it was, To where it goes on; both are URIs.
	From, To []byte
	// NoAnswer: because nobody there has answered. Otherwise all its calls are forwarded.
	NoAnswer bool
}

// Of tells whether a header line is one that Lines writes again.
func Of(h *message.Header) bool {
	return h.Kind == message.Other && message.EqualFold(h.Name, diversion)
}

const diversion, info = "Diversion", "History-Info"

// Lines are the header lines of a request that goes one step further: the newest
// Diversion stands first, so those that stay are written again behind it.
func Lines(m *message.Message, s *Step, stays func(*message.Header) bool) []byte {
	reason, cause := "unconditional", ""
	if s.NoAnswer {
		reason, cause = "no-answer", "?Reason=SIP%3Bcause%3D408"
	}
	lines := fmt.Appendf(nil, "Diversion: <%s>;reason=%s;counter=1\r\n", s.From, reason)
	last := ""
	for i := range m.Headers {
		h := &m.Headers[i]
		if h.Kind != message.Other || !stays(h) {
			continue
		}
		switch {
		case message.EqualFold(h.Name, diversion):
			lines = fmt.Appendf(lines, "Diversion: %s\r\n", h.Value)
		case message.EqualFold(h.Name, info):
			last = lastIndex(h.Value)
		}
	}
	if last == "" {
		return fmt.Appendf(lines, "History-Info: <%s%s>;index=1, <%s>;index=1.1;mp=1\r\n", s.From, cause, s.To)
	}
	return fmt.Appendf(lines, "History-Info: <%s%s>;index=%s.1, <%s>;index=%s.1.1;mp=%s.1\r\n", s.From, cause, last, s.To, last, last)
}

// lastIndex is that of the last entry; "1" for one that has none which can be read.
func lastIndex(v []byte) string {
	var last []byte
	for one := range message.Elements(v) {
		last = one
	}
	a, _ := message.ParseAddress(last)
	index, _ := message.Param(a.Params, "index")
	if len(index) == 0 || len(index) > maxIndex || len(bytes.Trim(index, "0123456789.")) > 0 {
		return "1"
	}
	return string(index)
}

// maxIndex bounds an index that is continued.
const maxIndex = 32

// Most is how often a call may have been forwarded: one that comes back again and again
// through others, which begin it anew each time, ends by that.
const Most = 10

// Times is how often others say that a call was forwarded.
func Times(m *message.Message) (n int) {
	for i := range m.Headers {
		h := &m.Headers[i]
		if !Of(h) {
			continue
		}
		for one := range message.Elements(h.Value) {
			a, _ := message.ParseAddress(one)
			counter, _ := message.Param(a.Params, "counter")
			if more, err := strconv.ParseUint(string(counter), 10, 8); err == nil && more > 0 {
				n += int(more)
			} else {
				n++
			}
			if n > Most {
				break
			}
		}
	}
	return n
}
