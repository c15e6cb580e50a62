// Package makecall has the phones of this node make calls for clients (T-Library's
// MakeCall): it has a phone asked, waits for the call to be seen in the call plane, and
// says the same again to who asks again. How a phone is asked is sip/refer's; a client's
// request comes by node/agent, which passes it on to the node of the phone.
package makecall

import (
	"context"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/sip/refer"
)

const (
	// answers is how long a phone has for its answer to the REFER, dials for its call from
	// then on: its user may have to agree.
	answers, dials = 5 * time.Second, 10 * time.Second
	// Limit is what a request takes at most, here.
	Limit = answers + dials
	// remembered is for how long a request is known again, most how many are.
	remembered = 10 * time.Minute
	most       = 10_000
)

// Config of a Desk. All fields must be set.
type Config struct {
	View func() *fsm.View
	// MayCall tells whether the DN's class of service allows the number.
	MayCall func(from dn.Number, number string) bool
	// Refer asks a phone of the DN that is registered here to call a number; heard is told
	// what it says.
	Refer func(n dn.Number, number string, heard func(refer.Word)) error
}

// Request is that a phone calls a number. ID is the client's, "" for none.
type Request struct {
	DN     dn.Number
	Number string
	ID     string
}

// Desk has the phones of this node make calls.
type Desk struct {
	cfg Config

	mu sync.Mutex
	// open are the requests that have no answer yet, at most one a DN.
	open map[dn.Number]*errand
	// known are those with an ID, also answered ones, and old the same in the order in
	// which they came.
	known map[key]*errand
	old   []*errand
}

type key struct {
	n  dn.Number
	id string
}

// errand is a request and what became of it.
type errand struct {
	Request
	began time.Time
	// limit ends the errand; done is closed when it has: then conn or refused says how.
	limit   *time.Timer
	done    chan struct{}
	over    bool
	conn    call.ID
	refused *refusal.Error
}

// New makes a Desk.
func New(cfg Config) *Desk {
	return &Desk{cfg: cfg, open: map[dn.Number]*errand{}, known: map[key]*errand{}}
}

// Make has a phone of the DN that is registered here call the number, and returns the call
// when the phone has begun it. The error is a *refusal.Error or the context's, which ends
// the waiting alone.
func (d *Desk) Make(ctx context.Context, r Request) (call.ID, error) {
	if err := d.check(r); err != nil {
		return "", err
	}
	e, first, err := d.enter(r)
	if err != nil {
		return "", err
	}
	if first {
		if err := d.cfg.Refer(r.DN, r.Number, func(w refer.Word) { d.heard(e, w) }); err != nil {
			d.end(e, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "the phone of DN %s can't be asked: %v", r.DN, err))
		}
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if e.refused != nil {
		return "", e.refused
	}
	return e.conn, nil
}

// check says why nobody is asked at all.
func (d *Desk) check(r Request) error {
	config := d.cfg.View().DN(string(r.DN))
	switch {
	case config == nil:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %.64s is not configured", r.DN)
	case config.GetKind() != configpb.DNKind_DN_KIND_SIP:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "DN %s has no phone of this cluster: only a sip DN can be asked to make a call", r.DN)
	case config.GetDisabled():
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is disabled", r.DN)
	case !dn.ValidNumber(r.Number) || r.Number == string(r.DN):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "number %.70q: want a DN or a number outside, and not the DN itself", r.Number)
	case !d.cfg.MayCall(r.DN, r.Number):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "number %s is not in the class of service of DN %s", r.Number, r.DN)
	}
	return nil
}

// enter finds the errand of a request that came before, or begins one.
func (d *Desk) enter(r Request) (e *errand, first bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(time.Now())
	if e := d.known[key{r.DN, r.ID}]; e != nil {
		if e.Number != r.Number {
			return nil, false, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "request_id %.64s was for number %s", r.ID, e.Number)
		}
		return e, false, nil
	}
	if x := d.open[r.DN]; x != nil {
		return nil, false, refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "the phone of DN %s is being asked to call %s: try again when it has begun that", r.DN, x.Number)
	}
	e = &errand{Request: r, began: time.Now(), done: make(chan struct{})}
	e.limit = time.AfterFunc(answers, func() {
		d.end(e, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT, "the phone of DN %s said nothing within %v: it may make the call or not", r.DN, answers))
	})
	d.open[r.DN] = e
	if r.ID != "" {
		d.known[key{r.DN, r.ID}] = e
		d.old = append(d.old, e)
	}
	return e, true, nil
}

// forget drops what nobody asks for again; the caller holds mu.
func (d *Desk) forget(now time.Time) {
	for len(d.old) > 0 && (len(d.old) >= most || now.Sub(d.old[0].began) > remembered) {
		e := d.old[0]
		delete(d.known, key{e.DN, e.ID})
		d.old[0], d.old = nil, d.old[1:]
	}
}

// end gives an errand its answer; the first one counts.
func (d *Desk) end(e *errand, conn call.ID, refused *refusal.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends(e, conn, refused)
}

func (d *Desk) ends(e *errand, conn call.ID, refused *refusal.Error) {
	if e.over {
		return
	}
	e.over, e.conn, e.refused = true, conn, refused
	e.limit.Stop()
	delete(d.open, e.DN)
	close(e.done)
}

// heard takes what a phone says that was asked.
func (d *Desk) heard(e *errand, w refer.Word) {
	switch {
	case w.Code >= 300:
		d.end(e, "", refuses(e, w))
	case w.Call || w.Code < 200:
	default:
		d.accepted(e)
	}
}

// refuses says what the phone said.
func refuses(e *errand, w refer.Word) *refusal.Error {
	said := func(code tlibpb.ErrorCode, what string) *refusal.Error {
		return refusal.New(code, "the phone of DN %s %s: %d %.80q", e.DN, what, w.Code, w.Reason)
	}
	switch {
	case w.Call:
		return said(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "did not make the call")
	case w.Code == 408:
		return said(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT, "said nothing")
	case w.Code == 480:
		return said(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "can't be reached")
	case !refer.Takes(w.Code):
		return said(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "takes no REFER, so it can't be asked to call somebody")
	}
	return said(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "refuses to call somebody when it is asked; allow the cluster to do so in its settings")
}

// accepted gives the phone its time to make the call.
func (d *Desk) accepted(e *errand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.over || !e.limit.Stop() {
		return
	}
	e.limit = time.AfterFunc(dials, func() {
		d.end(e, "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT, "the phone of DN %s agreed, and has begun no call within %v: it may do so yet", e.DN, dials))
	})
}

// Dials takes a call that a phone has begun, at any node; it does not wait.
func (d *Desk) Dials(c *call.Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.open[c.Caller]; e != nil && e.Number == c.DNIS {
		d.ends(e, c.Conn(), nil)
	}
}

// Held is what is open, by kind.
func (d *Desk) Held() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return map[string]int{"makecall_open": len(d.open)}
}
