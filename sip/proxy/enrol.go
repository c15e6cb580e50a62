package proxy

import (
	"bytes"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/enrolment"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// registerTime is how long a carrier may take to answer a REGISTER, which goes out again
// within.
const registerTime = 8 * time.Second

// enrolling is a REGISTER to a carrier, with the answers to what that asks for.
type enrolling struct {
	p        *Proxy
	sh       *shard
	way      carrier.Way
	req      *enrolment.Request
	answered func(enrolment.Answer)

	// ended is closed when the connection is gone by which it went out; nil for datagrams.
	ended  <-chan struct{}
	client *transaction.Client
	alarm  transaction.Alarm
	tag    string
	cseq   uint32
	asks   asking
}

// WaysTo implements enrolment.Carriers.
func (p *Proxy) WaysTo(trunk dn.Number) []carrier.Way { return p.trunks.ways(trunk) }

// Register implements enrolment.Carriers.
func (p *Proxy) Register(w carrier.Way, r *enrolment.Request, answered func(enrolment.Answer)) {
	sh := p.shards.of([]byte(r.CallID))
	sh.Lock()
	defer sh.Unlock()
	q := &enrolling{p: p, sh: sh, way: w, req: r, answered: answered, cseq: r.CSeq}
	q.alarm = transaction.Alarm{Layer: sh.Layer, Handler: q}
	q.alarm.Set(registerTime)
	q.send(nil)
}

// send sends it, with a line of credentials or none.
func (q *enrolling) send(credentials []byte) {
	q.cseq++
	to, id := q.p.exits.carrier(q.way), newBranch(base32(0))
	if q.tag == "" {
		q.tag = id[len(id)-8:]
	}
	who := "<" + q.req.Account + ">"
	lines := append([]byte("Contact: <"+q.req.Contact+">\r\nExpires: "+seconds(q.req.Expires)+"\r\n"), credentials...)
	m := ownRequest{
		method: "REGISTER", uri: []byte(q.req.Registrar), from: []byte(who + ";tag=" + q.tag), to: []byte(who), callID: []byte(q.req.CallID), cseq: q.cseq,
		via: q.sh.via(to, id), lines: lines,
	}
	q.ended = to.dialled()
	var err error
	if q.client, err = q.sh.Send(id, "REGISTER", to, m.bytes(), q.on); err != nil {
		q.end(enrolment.Answer{})
	}
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func (q *enrolling) on(res *message.Message, err error) {
	switch {
	case q.answered == nil || err == nil && res.Status < 200:
		return
	case err != nil:
		q.end(enrolment.Answer{})
		return
	}
	ac := accountOf(&q.req.Proof)
	if line := q.asks.answer(ac, res, "REGISTER", []byte(q.req.Registrar), nil); line != nil {
		q.send(line)
		return
	}
	reason := string(res.Reason)
	if lack := ac.lacks(res); lack != "" {
		reason += " (" + lack + ")"
	}
	service, fit := serviceRoute(res, func(u message.URI) bool { return q.p.routes.Mine(u) || q.p.routes.Others(u) })
	q.end(enrolment.Answer{
		ServiceRoute: service, Unfit: !fit,
		Code: res.Status, Reason: reason, Expires: q.granted(res), RetryAfter: retryAfter(res), MinExpires: number(res.Named("min-expires")), Ended: q.ended,
	})
}

// granted is for how long the contact holds, as the answer says: by the contact, by Expires,
// or else for what was asked (RFC 3261 §10.2.4). A carrier behind whose border the contact has
// another address, as a NAT gives it one, names it by that: so where ours is not in the list
// the one that ends first may be.
func (q *enrolling) granted(res *message.Message) time.Duration {
	first, other := q.req.Expires, false
	for rest := range res.All(message.Contact) {
		for one := range message.Elements(rest) {
			a, _ := message.ParseAddress(one)
			e, said := message.Param(a.Params, "expires")
			switch mine := message.EqualURI(a.URI, []byte(q.req.Contact)); {
			case mine && said:
				return number(e)
			case mine:
				return q.saidOfAll(res)
			case said:
				first, other = min(first, number(e)), true
			}
		}
	}
	if other {
		return first
	}
	return q.saidOfAll(res)
}

// mostRoutes and mostRoute bound a Service-Route by its entries, and by the octets of each.
const mostRoutes, mostRoute = 8, 256

// serviceRoute reads the Service-Route of an answer; nil when there is none. It is used
// whole or, when it is not ok, not at all: an entry is a SIP URI of a loose router (RFC 3608
// §6.1) that is not the cluster's own, as mine tells; what does not fit is of nobody.
func serviceRoute(res *message.Message, mine func(message.URI) bool) (list [][]byte, ok bool) {
	for line := range res.AllNamed("service-route") {
		for one := range message.Elements(line) {
			a, is := message.ParseAddress(one)
			u, isURI := message.ParseURI(a.URI)
			_, loose := message.Param(u.Params, "lr")
			if !is || !isURI || !u.IsSIP() || !loose || len(u.Headers) > 0 || mine(u) || len(one) > mostRoute || len(list) == mostRoutes {
				return nil, false
			}
			list = append(list, bytes.Join([][]byte{[]byte("<"), a.URI, []byte(">")}, nil))
		}
	}
	return list, true
}

// saidOfAll is for how long contacts hold of which the answer says nothing.
func (q *enrolling) saidOfAll(res *message.Message) time.Duration {
	if v := res.Get(message.Expires); v != nil {
		return number(v)
	}
	return q.req.Expires
}

// number reads seconds; 0 when they are none.
func number(v []byte) time.Duration {
	s, _ := strconv.ParseUint(string(v), 10, 32)
	return time.Duration(s) * time.Second
}

func (q *enrolling) end(a enrolment.Answer) {
	if q.answered == nil {
		return
	}
	q.alarm.Stop()
	a.CSeq = q.cseq
	q.answered(a)
	q.answered = nil
}

// Fire implements transaction.AlarmHandler.
func (q *enrolling) Fire(uint8) {
	q.client.Terminate()
	q.end(enrolment.Answer{})
}
