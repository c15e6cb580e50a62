package enrolment

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
)

const (
	// usualExpires is asked for where the configuration says nothing, least and most are
	// what is believed of an answer.
	usualExpires, leastExpires, mostExpires = 10 * time.Minute, 10 * time.Second, 24 * time.Hour
	// firstWait is how long a carrier is left alone that has refused, or does not answer;
	// each time twice as long, up to lastWait.
	firstWait, lastWait = 5 * time.Second, 5 * time.Minute
	// steady is how long a connection lasts by which a carrier wants to be reached: some end
	// each that is idle, and open their own.
	steady = time.Minute
)

// wish is what a carrier is to know, where it is, and how this node proves who it is there.
type wish struct {
	registrar, account, called string
	expires                    time.Duration
	addresses                  string
	proof                      Proof
}

// told is what the carrier itself is told.
func (w wish) told() wish {
	w.addresses, w.proof = "", Proof{}
	return w
}

// wanted is the registration of a trunk that is in use; nil for none.
func wanted(d *configpb.DN) *configpb.TrunkRegistration {
	if d.GetDisabled() {
		return nil
	}
	return d.GetTrunk().GetRegistration()
}

func wishOf(t *configpb.Trunk) wish {
	r := t.GetRegistration()
	host := t.GetAddress()
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	domain, user := cmp.Or(r.GetDomain(), host), cmp.Or(r.GetUser(), t.GetOutboundAuth().GetUser())
	return wish{
		registrar: "sip:" + domain, account: "sip:" + escaped.Replace(user) + "@" + domain, called: escaped.Replace(cmp.Or(r.GetCalled(), user)),
		expires: cmp.Or(time.Duration(r.GetExpiresS())*time.Second, usualExpires), addresses: addressesOf(t),
		proof: proofOf(t),
	}
}

// Proof is by what a node proves who it is at a carrier: kept with what the carrier was told,
// since that is taken back when the trunk has another account, or is gone.
type Proof struct {
	Realm, User, HA1, SHA256HA1 string
	Algorithm                   configpb.DigestAlgorithm
}

func proofOf(t *configpb.Trunk) Proof {
	a := t.GetOutboundAuth()
	return Proof{t.GetOutboundRealm(), a.GetUser(), a.GetHa1(), a.GetSha256Ha1(), a.GetAlgorithm()}
}

// addressesOf says where the carrier is.
func addressesOf(t *configpb.Trunk) string {
	return fmt.Sprintf("%d %q %q", t.GetTransport(), t.GetAddress(), t.GetMoreAddresses())
}

// escaped is a user as a URI has it (RFC 3261 §25.1).
var escaped = strings.NewReplacer("@", "%40", "#", "%23")

// held is what a carrier knows.
type held struct {
	wish  wish
	way   carrier.Way
	until time.Time
	// since is when it was told, over is closed when it does not count any more.
	since time.Time
	over  chan struct{}
}

// entry is an account.
type entry struct {
	trunk  dn.Number
	routes *serviceRoutes
	callID string
	cseq   uint32
	has    *held // nil for nothing
	wish   wish  // the last; the zero value for none
	asking bool
	due    time.Time
	// failures since it was registered the last time, and the last of them.
	failures int
	failure  string
	// succeeded and failed are the times of the last answers of each kind.
	succeeded, failed time.Time
	// unfit: the last answer had a Service-Route that is not used.
	unfit bool
	// least is what the carrier wants Expires to be.
	least time.Duration
	// losses are the connections in a row that were gone soon after it was registered by them.
	losses int
}

func newEntry(n dn.Number, routes *serviceRoutes) *entry {
	return &entry{trunk: n, routes: routes, callID: rand.Text()}
}

// over tells whether nothing is to be done any more.
func (e *entry) over() bool { return e.wish == wish{} && e.has == nil && !e.asking }

const noAddress = "none of its addresses answers"

// step is what is to be sent now, nil for nothing, and when to look again.
func (e *entry) step(want wish, now time.Time, ways func() []carrier.Way) (j *job, at time.Time) {
	if want != e.wish {
		e.wish, e.due, e.failures, e.failure, e.least = want, time.Time{}, 0, "", 0
	}
	if e.has != nil && !e.asking && !now.Before(e.has.until) {
		e.keep(nil) // nobody has refreshed it
	}
	switch {
	case e.asking:
		return nil, time.Time{}
	case e.has != nil && (e.has.wish.told() != want.told() || e.left(want, ways)):
		return e.ask(e.has.wish, e.has.way, 0), time.Time{}
	case want == wish{}:
		return nil, time.Time{}
	case now.Before(e.due):
		return nil, e.due
	}
	list := ways()
	if len(list) == 0 {
		e.failure, e.due, e.failed = noAddress, now.Add(firstWait), now
		return nil, e.due
	}
	return e.ask(want, list[e.failures%len(list)], max(want.expires, e.least)), time.Time{}
}

// left tells whether the carrier was told at an address that is none of its any more.
func (e *entry) left(want wish, ways func() []carrier.Way) bool {
	return e.has.wish.addresses != want.addresses && !slices.Contains(ways(), e.has.way)
}

func (e *entry) ask(w wish, way carrier.Way, expires time.Duration) *job {
	e.asking = true
	return &job{entry: e, wish: w, way: way, request: Request{
		Proof: w.proof, Registrar: w.registrar, Account: w.account, CallID: e.callID, CSeq: e.cseq, Expires: expires,
	}}
}

// answered takes the end of what was sent.
func (e *entry) answered(j *job, a Answer, now time.Time) {
	e.asking, e.cseq = false, a.CSeq
	switch expires := min(max(a.Expires, leastExpires), mostExpires); {
	case j.request.Expires == 0: // once: what the carrier keeps then expires
		e.keep(nil)
		e.due = now
	case a.Code/100 == 2:
		e.keep(&held{j.wish, j.way, now.Add(expires), now, make(chan struct{})})
		e.routes.set(e.trunk, serviceRoute{j.way.Addr, a.ServiceRoute})
		e.failures, e.failure, e.due, e.succeeded = 0, "", now.Add(expires*2/3), now
	case a.Code == 423 && e.least == 0 && a.MinExpires > j.request.Expires && j.request.Expires < mostExpires:
		e.least, e.due = min(a.MinExpires, mostExpires), now
	default:
		e.failures++
		e.failed = now
		if a.Code == 423 {
			e.least = min(max(a.MinExpires, e.least), mostExpires)
		}
		wait := min(firstWait<<min(e.failures-1, 10), lastWait)
		e.due = now.Add(max(wait, min(a.RetryAfter, lastWait)))
		e.failure = fmt.Sprintf("%d %.128s", a.Code, a.Reason)
		if a.Code == 0 {
			e.failure = "no answer"
		}
	}
}

// keep notes what the carrier knows now; nil for nothing.
func (e *entry) keep(h *held) {
	if e.has != nil {
		close(e.has.over)
	}
	if e.has = h; h == nil {
		e.routes.set(e.trunk, serviceRoute{})
	}
}

// lost: the connection is gone by which it was registered. A carrier that calls by that alone,
// as of somebody behind a NAT, does not reach this node until it is registered by another one.
func (e *entry) lost(now time.Time) {
	var wait time.Duration
	if now.Sub(e.has.since) < steady {
		wait = min(firstWait<<min(e.losses, 10), lastWait)
		e.losses++
	} else {
		e.losses = 0
	}
	if at := now.Add(wait); at.Before(e.due) {
		e.due = at
	}
}
