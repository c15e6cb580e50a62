package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Transfers are three phones: the agent calls the customer, or is called, has it call the
// third one by REFER, half of the time after a call with that (RFC 3891), and hangs up. Now
// and then the customer agrees and calls nobody.
type Transfers struct {
	*Site
	Agent, Customer, Third *Telephone
	// Every is the mean time between two transfers; Rest is how long all are left alone now
	// and then, so that who is busy still shows.
	Every, Rest time.Duration

	// open are the sides of dialogs that nobody has ended.
	open []*side
}

// side is a party in a dialog.
type side struct {
	who  *Telephone
	call *siptest.Call
}

// transferStep is how long a step may take.
const transferStep = 5 * time.Second

// Parties are the three.
func (w *Transfers) Parties() []*Telephone { return []*Telephone{w.Agent, w.Customer, w.Third} }

// Run transfers calls until ctx ends.
func (w *Transfers) Run(ctx context.Context) error {
	for _, p := range w.Parties() {
		if err := p.open(); err != nil {
			return err
		}
		w.Later(p.ua.Close)
	}
	r := w.random("transfers-" + w.Agent.DN)
	enrolled := time.Time{}
	for pause(ctx, w.idle(r)) {
		if time.Since(enrolled) > enrolEvery && w.Agent.enrol(ctx) && w.Customer.enrol(ctx) && w.Third.enrol(ctx) {
			enrolled = time.Now()
		}
		if !enrolled.IsZero() {
			w.once(r)
		}
	}
	return nil
}

// idle is how long it is until the next transfer.
func (w *Transfers) idle(r *rand.Rand) time.Duration {
	d := between(r, w.Every/2, w.Every*3/2)
	if r.IntN(3) == 0 {
		d += w.Rest
	}
	return d
}

// invoke begins an operation of the three.
func (w *Transfers) invoke(k history.Kind, part string) history.Op {
	return w.Record.Invoke(history.Op{Kind: k, Process: "transfer-" + w.Agent.DN + part, Node: w.Agent.Node.Name(), From: w.Agent.DN, Arg: w.Customer.DN, Key: w.Third.DN})
}

func (w *Transfers) returns(op history.Op, err error) {
	op.Outcome = history.OK
	if err != nil {
		op.Outcome, op.Error = history.Unknown, err.Error()
	}
	if no := (*refusal)(nil); errors.As(err, &no) {
		op.Code, op.Later = strconv.Itoa(no.Code), no.Header("Retry-After") != ""
	}
	w.Record.Return(op)
}

// refusal is an answer by which a step was refused.
type refusal struct{ *siptest.Response }

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Reason) }

// once is one transfer, after which everybody hangs up.
func (w *Transfers) once(r *rand.Rand) {
	over := w.invoke(history.TransferOver, "/over")
	op := w.invoke(history.Transfer, "")
	customer, third, err := w.transfer(r)
	w.returns(op, err)
	if err == nil && customer != nil {
		op := w.invoke(history.Transferred, "")
		talk := between(r, 300*time.Millisecond, 4*time.Second)
		pause(context.Background(), talk)
		a, b := customer, third
		if r.IntN(2) == 0 {
			a, b = b, a
		}
		w.returns(op, w.bye(a, b))
	}
	w.returns(over, w.leave())
}

// transfer goes as far as to the call of the customer with the third one; that is nil where
// the customer calls nobody.
func (w *Transfers) transfer(r *rand.Rand) (customer, third *siptest.Call, err error) {
	from, to := w.Agent, w.Customer
	if r.IntN(2) == 0 {
		from, to = to, from
	}
	mine, theirs, err := w.up(from, to, w.uri(to))
	if err != nil {
		return nil, nil, fmt.Errorf("the first call: %w", err)
	}
	if from == w.Customer {
		mine, theirs = theirs, mine
	}
	var asks, asked *siptest.Call
	refer := w.uri(w.Third)
	switch r.IntN(6) {
	case 0:
		if _, err = w.agrees(mine, theirs, refer, r.IntN(2) == 0); err == nil {
			err = w.bye(mine, theirs)
		}
		return nil, nil, err
	case 1, 2, 3:
		if asks, asked, err = w.up(w.Agent, w.Third, refer); err != nil {
			return nil, nil, fmt.Errorf("the second call: %w", err)
		}
		refer += "?Replaces=" + strings.NewReplacer(";", "%3B", "=", "%3D").Replace(asks.ID+";to-tag="+asked.Tag()+";from-tag="+asks.Tag())
	}
	if customer, third, err = w.refer(mine, theirs, refer, r.IntN(3) > 0); err != nil {
		return nil, nil, err
	}
	if asked != nil {
		err = w.bye(asked, asks)
	}
	if err == nil {
		err = w.bye(mine, theirs)
	}
	return customer, third, err
}

// refer has the agent ask the customer to call a URI, and is that call. tells: see agrees.
func (w *Transfers) refer(mine, theirs *siptest.Call, uri string, tells bool) (customer, third *siptest.Call, err error) {
	to, err := w.agrees(mine, theirs, uri, tells)
	if err != nil {
		return nil, nil, err
	}
	to, asks, _ := strings.Cut(to, "?")
	var headers []string
	if replaces, ok := strings.CutPrefix(asks, "Replaces="); ok {
		headers = append(headers, "Replaces: "+strings.NewReplacer("%3B", ";", "%3D", "=").Replace(replaces))
	}
	if customer, third, err = w.up(w.Customer, w.Third, to, headers...); err != nil {
		return nil, nil, fmt.Errorf("the transferred call: %w", err)
	}
	ctx, cancel := patience(context.Background(), 2*transferStep)
	defer cancel()
	_, err = theirs.Do(ctx, "NOTIFY", "Event: refer", "Subscription-State: terminated;reason=noresource", "Contact: <"+w.Customer.ua.Contact()+">")
	return customer, third, err
}

// agrees has the agent ask the customer to call a URI, as which it comes to that. tells: the
// customer says that it calls, as every phone should (RFC 3515 §2.4.4).
func (w *Transfers) agrees(mine, theirs *siptest.Call, uri string, tells bool) (string, error) {
	ctx, cancel := patience(context.Background(), 2*transferStep)
	defer cancel()
	res, err := mine.Do(ctx, "REFER", "Refer-To: <"+uri+">")
	if err == nil && res.Code >= 300 {
		err = &refusal{res}
	}
	if err != nil {
		return "", fmt.Errorf("REFER: %w", err)
	}
	m, err := theirs.Expect(ctx, "REFER")
	if err == nil && tells {
		_, err = theirs.Notify(ctx, "100 Trying")
	}
	if err != nil {
		return "", err
	}
	return uriOf(m.Header("Refer-To")), nil
}

// up is a call that is answered.
func (w *Transfers) up(from, to *Telephone, uri string, headers ...string) (out, in *siptest.Call, err error) {
	ctx, cancel := patience(context.Background(), transferStep)
	defer cancel()
	out, err = from.ua.Place(ctx, uri, headers...)
	if out == nil {
		return nil, nil, err
	}
	w.open = append(w.open, &side{from, out})
	answering, stop := context.WithCancel(ctx)
	answered := make(chan *siptest.Call, 1)
	go func() { answered <- takes(answering, to, out.ID) }()
	var res *siptest.Response
	if err == nil {
		res, err = final(ctx, out)
	}
	if err == nil && res.Code >= 300 {
		w.ended(out)
		err = &refusal{res}
	}
	if err == nil {
		err = out.Ack()
	} else {
		stop()
	}
	in = <-answered
	stop()
	if in == nil {
		return nil, nil, cmp.Or(err, errors.New("nobody was called"))
	}
	w.open = append(w.open, &side{to, in})
	if err == nil {
		_, err = in.Expect(ctx, "ACK")
	}
	return out, in, err
}

// takes answers the call that comes in; nil when it does not come. Others are of before.
func takes(ctx context.Context, to *Telephone, id string) *siptest.Call {
	for {
		c, err := to.ua.Take(ctx)
		if err != nil {
			return nil
		}
		if c.ID != id {
			_ = c.Refuse(486, "Busy Here")
			continue
		}
		_ = c.Answer()
		return c
	}
}

// bye has one side hang up, and the other one hear of it.
func (w *Transfers) bye(a, b *siptest.Call) error {
	ctx, cancel := patience(context.Background(), transferStep)
	defer cancel()
	res, err := a.Bye(ctx)
	if err == nil && res.Code >= 300 {
		err = &refusal{res}
	}
	if err != nil {
		return fmt.Errorf("BYE: %w", err)
	}
	w.ended(a)
	if _, err := b.Expect(ctx, "BYE"); err != nil {
		return err
	}
	w.ended(b)
	return nil
}

func (w *Transfers) ended(c *siptest.Call) {
	for i, s := range w.open {
		if s.call == c {
			w.open = append(w.open[:i], w.open[i+1:]...)
			return
		}
	}
}

// leave hangs up all that is open; an error says that one of them got no answer.
func (w *Transfers) leave() (err error) {
	for _, s := range w.open {
		if s.call.Invite == nil { // perhaps it was not answered yet
			s.call.Cancel()
		}
		res, doErr := s.ends()
		if doErr == nil && res.Code >= 300 && res.Code != 481 {
			doErr = &refusal{res}
		}
		if doErr != nil {
			err = errors.Join(err, fmt.Errorf("BYE of %s: %w", s.who.DN, doErr))
		}
	}
	w.open = nil
	return err
}

// ends hangs up, again when there is no answer.
func (s *side) ends() (res *siptest.Response, err error) {
	for _, d := range []time.Duration{700 * time.Millisecond, 1300 * time.Millisecond, lastWithin} {
		ctx, cancel := patience(context.Background(), d)
		res, err = s.call.Bye(ctx)
		if cancel(); err == nil {
			return res, nil
		}
	}
	return nil, err
}

// uri of a party.
func (w *Transfers) uri(p *Telephone) string { return "sip:" + p.DN + "@" + w.Realm }

func uriOf(address string) string {
	_, rest, ok := strings.Cut(address, "<")
	if !ok {
		return address
	}
	uri, _, _ := strings.Cut(rest, ">")
	return uri
}

// BusyLooks asks one node again and again which phones of transfers are busy.
type BusyLooks struct {
	*Site
	Node   *cluster.Node
	Every  time.Duration
	Prefix string
}

// Run asks until ctx ends.
func (w *BusyLooks) Run(ctx context.Context) {
	every(ctx, w.Every, func(ctx context.Context) {
		if !w.Node.Running() {
			return
		}
		op := w.Record.Invoke(history.Op{Kind: history.BusyLook, Process: "busy-" + w.Node.Name(), Node: w.Node.Name()})
		asked, cancel := context.WithTimeout(ctx, pollWithin)
		defer cancel()
		page, err := w.Node.Availability().ListDNs(asked, &tcpb.ListDNsRequest{Filter: &tcpb.Filter{Prefix: w.Prefix}})
		op.Outcome = history.OK
		if err != nil {
			op.Outcome, op.Error = history.Fail, err.Error()
		}
		for _, d := range page.GetDns() {
			if d.GetBusy() {
				op.Result += d.GetDn() + " "
			}
		}
		w.Record.Return(op)
	})
}
