// Package refer asks phones of this node to make calls (RFC 3515), and hears what they tell
// of that. It knows no call and no client: node/makecall asks, sip/proxy has the ways to
// the phones, and the gate of the SIP port gives it the NOTIFYs.
package refer

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Request is one to a phone, outside of any dialog.
type Request struct {
	Method, From, To, CallID string
	// Lines are its other headers, each with its end.
	Lines string
}

// Way is the way to a phone that registered a DN here.
type Way interface {
	// At is where it is.
	At() (location.Transport, netip.Addr)
	// Ask sends it a request; answered hears the final answer, or 408, once, and may ask again.
	Ask(r *Request, answered func(code int, reason string)) error
}

// Phones knows the phones of this node.
type Phones interface {
	// Ways to those of a DN, the best first.
	Ways(n dn.Number) []Way
}

// Word is what a phone says.
type Word struct {
	// Call: of the call that it makes (NOTIFY); otherwise it answers the REFER.
	Call   bool
	Code   int
	Reason string
}

// ErrNoPhone says that no phone has registered the DN here.
var ErrNoPhone = errors.New("no phone is registered")

const (
	// keep is for how long a phone may tell of its call, most how many are kept at a time.
	keep = 3 * time.Minute
	most = 4096
)

// Config of a Referrer. All fields must be set.
type Config struct {
	Machine *fsm.Machine
	Phones  Phones
	// Hosts are the host:port by which phones reach this node.
	Hosts *location.Hosts
	Now   func() time.Time
}

// Referrer refers phones to numbers.
type Referrer struct {
	cfg Config

	mu  sync.Mutex
	all map[string]*referral // by Call-ID
	// old are the Call-IDs in the order in which they began.
	old []string
}

// referral is one phone that was asked.
type referral struct {
	tag   string
	began time.Time
	heard func(Word)
}

// New makes a Referrer.
func New(cfg Config) *Referrer { return &Referrer{cfg: cfg, all: map[string]*referral{}} }

// Refer asks the best phone of a DN to call a number, and the next one when that takes no
// REFER. heard is told what the phone says; it must not wait.
func (r *Referrer) Refer(n dn.Number, number string, heard func(Word)) error {
	ways := r.cfg.Phones.Ways(n)
	if len(ways) == 0 {
		return ErrNoPhone
	}
	return r.ask(ways, n, number, heard)
}

func (r *Referrer) ask(ways []Way, n dn.Number, number string, heard func(Word)) error {
	q, tag := r.request(ways[0], n, number)
	r.add(q.CallID, &referral{tag: tag, began: r.cfg.Now(), heard: heard})
	err := ways[0].Ask(q, func(code int, reason string) {
		if len(ways) > 1 && !Takes(code) && r.ask(ways[1:], n, number, heard) == nil {
			return
		}
		heard(Word{Code: code, Reason: reason})
	})
	if err != nil && len(ways) > 1 {
		return r.ask(ways[1:], n, number, heard)
	}
	return err
}

// Takes tells whether a phone with that answer to a REFER takes any.
func Takes(code int) bool {
	switch code {
	case 405, 420, 489, 501, 408, 480:
		return false
	}
	return true
}

// request is the REFER. It asks for no subscription (RFC 4488); phones that make one all the
// same tell of the call. The number is at this node, which the phone reaches.
func (r *Referrer) request(to Way, n dn.Number, number string) (q *Request, tag string) {
	t, at := to.At()
	realm, here := r.cfg.Machine.View().Options().GetRealm(), r.cfg.Hosts.AppendURI(nil, t, at)
	tag = rand.Text()
	cluster := "<sip:sipcluster@" + realm + ">"
	return &Request{
		Method: "REFER", From: cluster + ";tag=" + tag, To: fmt.Sprintf("<sip:%s@%s>", escape(string(n)), realm), CallID: rand.Text(),
		Lines: fmt.Sprintf("Refer-To: <sip:%s@%s>\r\nReferred-By: %s\r\nRefer-Sub: false\r\nSupported: norefersub\r\nContact: <sip:%s>\r\n", escape(number), here, cluster, here),
	}, tag
}

// escape writes a number as the user part of a URI: of its characters '#' alone needs that.
func escape(number string) string {
	return string(bytes.ReplaceAll([]byte(number), []byte("#"), []byte("%23")))
}

func (r *Referrer) add(callID string, x *referral) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.old) > 0 && (len(r.old) >= most || x.began.Sub(r.all[r.old[0]].began) > keep) {
		delete(r.all, r.old[0])
		r.old = r.old[1:]
	}
	r.all[callID], r.old = x, append(r.old, callID)
}

// Notify takes a NOTIFY of a phone that was asked; false for another one.
func (r *Referrer) Notify(m *message.Message) bool {
	r.mu.Lock()
	x := r.all[string(m.Get(message.CallID))]
	r.mu.Unlock()
	if x == nil || x.tag != string(m.Tag(message.To)) {
		return false
	}
	if code, reason, ok := Sipfrag(m.Body); ok {
		x.heard(Word{Call: true, Code: code, Reason: reason})
	}
	return true
}

// Sipfrag reads the status line in a body (RFC 3420), which is how a phone that was asked to
// call somebody tells what becomes of that (RFC 3515 §2.4.5).
func Sipfrag(body []byte) (code int, reason string, ok bool) {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("SIP/2.0 "))
	number, text, _ := bytes.Cut(rest, []byte(" "))
	code, err := strconv.Atoi(string(number))
	return code, string(text), ok && err == nil && 100 <= code && code <= 699
}
