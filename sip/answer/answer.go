package answer

import (
	"hash/maphash"
	"strconv"
	"strings"
	"unicode"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Answer is what the node says to a request: status and header lines. Each way
// in writes it in its own manner.
type Answer struct {
	Code   int
	Reason string
	// Lines are header lines, each with its CRLF.
	Lines []byte
	// Durable: the location store has to be flushed before it is sent.
	Durable bool
	// Refusal: it rests on what the configuration says, of who asks or of what is asked for.
	// Stranger: it rests on that no trunk is known where the request comes from. Both are
	// final for phones and carriers, and see Gaps.
	Refusal, Stranger bool
}

// Gaps are what a node may not know yet. What is not known yet is not denied. Look at them
// before the configuration.
type Gaps struct {
	// Behind: its configuration may be behind that of the cluster.
	Behind bool
	// Sought: addresses of trunks are looked up that none is known of.
	Sought bool
}

// Deny tells whether an answer rests on what is not known yet.
func (g Gaps) Deny(a *Answer) bool {
	return g.Behind && (a.Refusal || a.Stranger) || g.Sought && a.Stranger
}

// Reset makes a ready for another request and keeps its room.
func (a *Answer) Reset() { *a = Answer{Lines: a.Lines[:0]} }

// Set sets the status.
func (a *Answer) Set(code int, reason string) { a.Code, a.Reason = code, reason }

// Stray sets the status of what is final for a Stranger.
func (a *Answer) Stray(code int, reason string) { a.Code, a.Reason, a.Stranger = code, reason, true }

// Refuse sets the status of a Refusal.
func (a *Answer) Refuse(code int, reason string) { a.Code, a.Reason, a.Refusal = code, reason, true }

// maxPhrase bounds a reason phrase in bytes.
const maxPhrase = 128

// Phrase is a text, of whomever, as a reason phrase: without what would end its line.
func Phrase(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), maxPhrase)], "")
}

// Fault sets the status that a fault calls for.
func (a *Answer) Fault(f *message.Fault) { a.Set(f.Code, f.Reason) }

// Header adds a header line.
func (a *Answer) Header(name, value string) {
	a.Lines = append(a.Lines, name...)
	a.Lines = append(a.Lines, ": "...)
	a.Lines = append(a.Lines, value...)
	a.Lines = append(a.Lines, "\r\n"...)
}

// Number adds a header line with a number.
func (a *Answer) Number(name string, n int64) {
	a.Lines = append(a.Lines, name...)
	a.Lines = append(a.Lines, ": "...)
	a.Lines = strconv.AppendInt(a.Lines, n, 10)
	a.Lines = append(a.Lines, "\r\n"...)
}

// Overloaded is the answer to what is new when too much is.
func (a *Answer) Overloaded() {
	a.Set(503, "Service Unavailable")
	a.Number("Retry-After", 5)
}

// Later takes an answer back: who asks by datagram hears nothing and asks again, anybody
// else is told to go elsewhere meanwhile.
func (a *Answer) Later(datagram bool) {
	if a.Reset(); !datagram {
		a.Overloaded()
	}
}

// Draining is the answer of a node that drains to what is new: another node has room.
func (a *Answer) Draining() {
	a.Set(503, "Node is draining")
	a.Number("Retry-After", 30)
}

// AppendToTag makes the To tag of an answer: the same for the same request,
// because answers are given without a transaction (RFC 3261 §8.2.7).
func AppendToTag(dst []byte, seed maphash.Seed, callID []byte, cseq uint32) []byte {
	h := maphash.Bytes(seed, callID) ^ uint64(cseq)*0x9e3779b97f4a7c15
	const digits = "0123456789abcdef"
	for range 12 {
		dst = append(dst, digits[h&15])
		h >>= 4
	}
	return dst
}
