package sip

import (
	"hash/maphash"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
)

// answer is what the node says to a request: status and header lines. Each way
// in writes it in its own manner.
type answer struct {
	code   int
	reason string
	// lines are header lines, each with its CRLF.
	lines []byte
	// durable: the location store has to be flushed before it is sent.
	durable bool
}

func (a *answer) reset() { *a = answer{lines: a.lines[:0]} }

func (a *answer) set(code int, reason string) { a.code, a.reason = code, reason }

func (a *answer) fault(f *message.Fault) { a.set(f.Code, f.Reason) }

func (a *answer) header(name, value string) {
	a.lines = append(a.lines, name...)
	a.lines = append(a.lines, ": "...)
	a.lines = append(a.lines, value...)
	a.lines = append(a.lines, "\r\n"...)
}

func (a *answer) number(name string, n int64) {
	a.lines = append(a.lines, name...)
	a.lines = append(a.lines, ": "...)
	a.lines = strconv.AppendInt(a.lines, n, 10)
	a.lines = append(a.lines, "\r\n"...)
}

// overloaded is the answer to what is new when too much is.
func (a *answer) overloaded() {
	a.set(503, "Service Unavailable")
	a.number("Retry-After", 5)
}

// appendToTag makes the To tag of an answer: the same for the same request,
// because answers are given without a transaction (RFC 3261 §8.2.7).
func appendToTag(dst []byte, seed maphash.Seed, callID []byte, cseq uint32) []byte {
	h := maphash.Bytes(seed, callID) ^ uint64(cseq)*0x9e3779b97f4a7c15
	const digits = "0123456789abcdef"
	for range 12 {
		dst = append(dst, digits[h&15])
		h >>= 4
	}
	return dst
}
