package registrar

import (
	"slices"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// limits of registrations, from the cluster's options.
type limits struct {
	min, max, fallback int64 // seconds
	contacts           int
	// pair: the DN's phone registers at two nodes, and can't say so.
	pair bool
	// loops is Config.Loops.
	loops func(*location.Binding) bool
}

// lastCSeqOf tells the greatest CSeq that was seen under a Call-ID whose bindings
// were replaced or removed; recently means that requests from before that may
// still be on their way.
type lastCSeqOf func(callID []byte) (cseq uint32, recently, known bool)

// decision is what a REGISTER does to the bindings of its DN.
type decision struct {
	// fault refuses the request as a whole; nothing changes.
	fault *message.Fault
	// bindings after it. They share text with the request.
	bindings []location.Binding
	// claim: a contact was registered or refreshed. changed: anything was.
	claim, changed bool
	// way to the phone that the registration is then.
	way dn.Way
}

var (
	errOrder     = &message.Fault{Code: 500, Reason: "CSeq out of order"}
	errScheme    = &message.Fault{Code: 400, Reason: "No Contact is a SIP URI"}
	errLoop      = &message.Fault{Code: 400, Reason: "Contact or Path is an address of this cluster"}
	errStar      = &message.Fault{Code: 400, Reason: "Contact * needs Expires 0 and no other contact"}
	errBrief     = &message.Fault{Code: 423, Reason: "Interval Too Brief"}
	errWithdrawn = &message.Fault{Code: 403, Reason: "DN was withdrawn"}
	errDraining  = &message.Fault{Code: 503, Reason: "Node is draining"}
	errLong      = &message.Fault{Code: 513, Reason: "Contact or Path too long"}
	errContacts  = &message.Fault{Code: 403, Reason: "Too many contacts for this DN"}
)

// maxStored bounds what one contact makes the store keep; with the most
// contacts that a cluster may allow (100) an entry stays far below what the
// journal takes for damage.
const maxStored = 4 << 10

// maxUserAgent is how many bytes of a User-Agent are kept: it is for people only.
const maxUserAgent = 256

// agent is what is kept of the User-Agent, no character cut in two.
func (r *Request) agent() []byte {
	n := min(len(r.UserAgent), maxUserAgent)
	for n < len(r.UserAgent) && n > 0 && !utf8.RuneStart(r.UserAgent[n]) {
		n--
	}
	return r.UserAgent[:n]
}

// stored is how much a contact would keep, in bytes.
func (r *Request) stored(c *contact) int {
	n := len(c.uri) + len(c.params) + len(r.CallID) + len(r.agent())
	for _, p := range r.Path {
		n += len(p)
	}
	return n
}

// decide is RFC 3261 §10.3 steps 6 to 8, without clock, lock or I/O: what the
// request makes of the bindings, all of it or nothing.
//
// A Call-ID whose binding was replaced by one of another Call-ID is over: its
// late un-REGISTER removes nothing, and for a while only a newer REGISTER than
// its last counts. So nothing that the network delivers late takes down a newer
// binding or brings back an ended one, and a phone that starts again with an
// old Call-ID and a low CSeq is not locked out.
func decide(r *Request, old []location.Binding, lim limits, now time.Time, seen lastCSeqOf) decision {
	d := decision{bindings: appendLive(r.bindings[:0], old, now)}
	switch {
	case r.star:
		d.removeAll(r, seen)
	case r.alien && len(r.contacts) == 0:
		d.fault = errScheme
	case len(r.contacts) > 0 && d.late(r):
		d.fault = errOrder
	case len(r.contacts) > 0:
		for i := range r.contacts {
			if d.fault == nil {
				d.contact(r, &r.contacts[i], lim, now, seen)
			}
		}
		if d.fault == nil && d.claim && d.loops(r, lim) {
			d.fault = errLoop
		}
		if d.fault == nil && d.claim && len(d.bindings) > len(old) {
			d.fit(lim.contacts)
		}
	}
	r.bindings = d.bindings
	return d
}

// loops tells whether a call to what the request has registered would come back to the
// cluster, and never to a phone.
func (d *decision) loops(r *Request, lim limits) bool {
	for i := range d.bindings {
		b := &d.bindings[i]
		if b.CSeq == r.CSeq && b.CallID == string(r.CallID) && lim.loops != nil && lim.loops(b) {
			return true
		}
	}
	return false
}

// late tells whether a newer request of the same Call-ID was served already.
func (d *decision) late(r *Request) bool {
	for i := range d.bindings {
		if b := &d.bindings[i]; b.CSeq > r.CSeq && b.CallID == string(r.CallID) {
			return true
		}
	}
	return false
}

func appendLive(dst, old []location.Binding, now time.Time) []location.Binding {
	for i := range old {
		if old[i].Expires.After(now) {
			dst = append(dst, old[i])
		}
	}
	return dst
}

// removeAll is step 6: "Contact: *".
func (d *decision) removeAll(r *Request, seen lastCSeqOf) {
	if r.Expires != 0 || len(r.contacts) > 0 || r.alien {
		d.fault = errStar
		return
	}
	_, _, stale := seen(r.CallID)
	kept := d.bindings[:0]
	for i := range d.bindings {
		b := d.bindings[i]
		switch same := string(r.CallID) == b.CallID; {
		case same && r.CSeq <= b.CSeq:
			d.fault = errOrder
			return
		case !same && stale:
			kept = append(kept, b)
		default:
			d.changed = true
		}
	}
	d.bindings = kept
}

// contact is step 7 for one address.
func (d *decision) contact(r *Request, c *contact, lim limits, now time.Time, seen lastCSeqOf) {
	life, fault := lim.life(r, c)
	if d.fault = fault; fault != nil {
		return
	}
	if life > 0 && r.stored(c) > maxStored {
		d.fault = errLong
		return
	}
	i := d.find(r, c, life)
	if i >= 0 && string(r.CallID) == d.bindings[i].CallID {
		d.sameCall(r, c, i, life, now)
		return
	}
	cseq, recently, known := seen(r.CallID)
	switch {
	case life == 0 && (i < 0 || known):
		// Nothing there, or a newer one than this user's: it stays.
	case life == 0:
		d.remove(i)
	case recently && r.CSeq <= cseq:
		d.fault = errOrder
	case i < 0:
		d.bindings = append(d.bindings, location.Binding{})
		d.set(r, c, len(d.bindings)-1, life, now)
	default:
		d.set(r, c, i, life, now)
	}
}

// sameCall orders by CSeq. The same CSeq again is a retransmission, or the same
// contact twice in one request: nothing changes.
func (d *decision) sameCall(r *Request, c *contact, i int, life int64, now time.Time) {
	switch last := d.bindings[i].CSeq; {
	case r.CSeq == last && life > 0:
	case r.CSeq <= last:
		d.fault = errOrder
	case life == 0:
		d.remove(i)
	default:
		d.set(r, c, i, life, now)
	}
}

// life is the granted lifetime in seconds, 0 for a removal.
func (l *limits) life(r *Request, c *contact) (int64, *message.Fault) {
	life := c.expires
	if life < 0 {
		life = r.Expires
	}
	if life < 0 {
		life = l.fallback
	}
	// An hour must be accepted whatever the minimum says (RFC 3261 §10.3).
	if life > 0 && life < l.min && life < 3600 {
		return 0, errBrief
	}
	return min(life, l.max), nil
}

// find is the binding that a contact is about: that of its URI, or else of its
// device. What a phone takes back of an earlier start by another URI is void.
func (d *decision) find(r *Request, c *contact, life int64) int {
	for i := range d.bindings {
		if string(c.uri) == d.bindings[i].Contact {
			return i
		}
	}
	for i := range d.bindings {
		if message.EqualURI(c.uri, []byte(d.bindings[i].Contact)) {
			return i
		}
	}
	return slices.IndexFunc(d.bindings, func(b location.Binding) bool {
		return c.replaces(r, &b) && (life > 0 || b.CallID == string(r.CallID))
	})
}

// fit makes room for a new contact: the oldest one goes that does not answer.
func (d *decision) fit(room int) {
	for len(d.bindings) > room {
		i := slices.IndexFunc(d.bindings, func(b location.Binding) bool { return b.Unresponsive })
		if i < 0 {
			d.fault = errContacts
			return
		}
		d.remove(i)
	}
}

func (d *decision) remove(i int) {
	d.bindings = append(d.bindings[:i], d.bindings[i+1:]...)
	d.changed = true
}

func (d *decision) set(r *Request, c *contact, i int, life int64, now time.Time) {
	b := &d.bindings[i]
	*b = location.Binding{
		Contact: text(c.uri), Params: text(c.params), CallID: text(r.CallID), CSeq: r.CSeq,
		Transport: r.Transport, Source: r.Source, Mapped: r.Mapped, Expires: now.Add(time.Duration(life) * time.Second),
		UserAgent: text(r.agent()),
	}
	for _, p := range r.Path {
		b.Path = append(b.Path, text(p))
	}
	d.claim, d.changed = true, true
	if len(d.bindings) > 1 {
		d.outlive(r, c, i)
	}
}

// outlive drops what the binding i is the successor of: others of its device, and
// a phone that does not answer and looks like it before a restart.
func (d *decision) outlive(r *Request, c *contact, i int) {
	now := d.bindings[i]
	d.bindings = slices.DeleteFunc(d.bindings, func(b location.Binding) bool {
		return c.replaces(r, &b) || b.Unresponsive && twin(&now, &b)
	})
}

// text is b as a string without a copy. It is good only while the request is
// being served: location.Store.Put copies what it takes, and nothing else may keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
