package sip

import (
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
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

// refuse is fault with the header that the fault calls for; least is the
// shortest lifetime that would do, in seconds.
func (a *answer) refuse(f *message.Fault, least int64) {
	a.fault(f)
	switch f {
	case errBrief:
		a.number("Min-Expires", least)
	case errDraining:
		a.number("Retry-After", 30)
	}
}

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

// contacts lists the bindings with the seconds that they have left (RFC 3261 §10.3 step 8).
func (a *answer) contacts(bindings []location.Binding, now time.Time) {
	for i := range bindings {
		b := &bindings[i]
		left := (b.Expires.Sub(now) + time.Second - 1) / time.Second
		if left <= 0 {
			continue
		}
		a.lines = append(a.lines, "Contact: <"...)
		a.lines = append(a.lines, b.Contact...)
		a.lines = append(a.lines, '>')
		a.lines = append(a.lines, b.Params...)
		a.lines = append(a.lines, ";expires="...)
		a.lines = strconv.AppendInt(a.lines, int64(left), 10)
		a.lines = append(a.lines, "\r\n"...)
	}
}
