package registrar

import (
	"hash/maphash"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/source"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// Config of a registrar.
type Config struct {
	Machine *fsm.Machine
	Table   *dn.Table
	// Store keeps the bindings. restore puts what it holds back into the table.
	Store *location.Store
	Guard *guard.Guard
	// Trunk tells whether a request can only be a gateway's, which registers nothing; nil
	// when there are none.
	Trunk func(netip.AddrPort, location.Transport) bool
	// Loops tells whether what is sent to a binding comes back to the cluster; nil for never.
	Loops func(*location.Binding) bool
	// Rate limits registrations of phones that have none.
	Rate  *guard.Rate
	Flows *wire.Flows
	Stats *answer.Counters
	// Draining says that the node takes no registrations, Drained that what it has may
	// not be in service any more.
	Draining, Drained func() bool
	// Behind tells whether Machine may be behind the configuration of the cluster: what it
	// refuses now may be right. nil means never.
	Behind func() bool
	// Partial tells whether Machine may lack DNs that an earlier process of this node knew,
	// until it is not behind any more: they are not withdrawn. Restore asks; nil means no.
	Partial func() bool
	// Now is the clock; it must carry a monotonic reading.
	Now func() time.Time
	// TagSeed makes the To tags of answers.
	TagSeed maphash.Seed
	Log     *slog.Logger
}

// Registrar serves REGISTER (RFC 3261 §10.3) and ends registrations. It is the
// only writer of the location store, and of the own side of the table as far
// as DNs of kind sip go.
type Registrar struct {
	cfg     Config
	history history
	seed    maphash.Seed // of locks, prints and To tags

	// locks order what happens to a DN, by its hash. Under one lie memory
	// operations of table and store, never I/O.
	locks [256]sync.Mutex
	// restored: the table has all that the store kept. What is registered before is put
	// back first.
	restored atomic.Bool
	start    start
	aside    aside
}

// start is what Restore leaves to Run.
type start struct {
	// changes of the configuration since; nil: Restore was not called.
	changes *fsm.Watcher
	// unserved are the DNs that the configuration did not have phones register then, at.
	unserved []unserved
	at       int64 // ns since the epoch
	// partial: the configuration does not say yet which DNs there are.
	partial atomic.Bool
	// held: a drain keeps DNs out of service.
	held bool
}

// unserved is a DN that no phone may have; deleted: nor is there one.
type unserved struct {
	number  dn.Number
	deleted bool
}

// New makes a registrar and starts nothing.
func New(cfg Config) *Registrar {
	return &Registrar{cfg: cfg, history: newHistory(), aside: newAside(), seed: cfg.TagSeed}
}

func (g *Registrar) lock(number string) *sync.Mutex {
	mu := &g.locks[maphash.String(g.seed, number)&255]
	mu.Lock()
	return mu
}

func (g *Registrar) behind() bool { return g.cfg.Behind != nil && g.cfg.Behind() }

// Serve decides a REGISTER and fills the answer; without a code none is given. When
// the answer is durable, the caller flushes the store before it sends it.
func (g *Registrar) Serve(r *Request, a *answer.Answer) {
	behind := g.behind()
	v := g.cfg.Machine.View() // taken afterwards: the order matters
	if !v.Unsure() {
		g.serve(r, v, a)
	}
	if behind && a.Refusal {
		a.Later(r.Transport == location.UDP)
	}
	if v.Unsure() {
		a.Reset() // nobody is told that his DN or password is not there
	}
}

func (g *Registrar) serve(r *Request, v *fsm.View, a *answer.Answer) {
	if !g.admit(r, v, a) {
		return
	}
	d := g.authenticate(r, v, a)
	switch {
	case d == nil:
	case d.GetDisabled():
		a.Refuse(403, "DN is disabled")
	case g.tooMuch(r, d):
		g.cfg.Stats.Overload.Add(1)
		a.Overloaded()
	case len(r.Path) > 0 && !r.SupportsPath:
		a.Set(421, "Extension Required")
		a.Header("Require", "path")
	default:
		g.update(r, v, d, a)
	}
}

// admit refuses what no DN could register here.
func (g *Registrar) admit(r *Request, v *fsm.View, a *answer.Answer) bool {
	realm := v.Options().GetRealm()
	switch {
	case !g.cfg.Guard.Served(r.URIHost, realm) || !g.cfg.Guard.Served(r.ToHost, realm):
		a.Refuse(404, "Not a domain of this cluster")
	case g.cfg.Trunk != nil && g.cfg.Trunk(r.Source, r.Transport):
		a.Refuse(403, "A trunk registers nothing")
	case r.registers() && g.cfg.Draining():
		a.Draining()
	default:
		return true
	}
	return false
}

// tooMuch tells whether a phone that has no registration comes above the rate.
func (g *Registrar) tooMuch(r *Request, d *configpb.DN) bool {
	if g.cfg.Rate.Unlimited() {
		return false
	}
	e := g.cfg.Store.Get(dn.Number(d.GetNumber()))
	return (e == nil || len(e.Bindings) == 0) && !g.cfg.Rate.Take(source.Of(r.Source.Addr()))
}

func limitsOf(o *configpb.Options) limits {
	return limits{
		min: int64(o.GetMinExpiresS()), max: int64(o.GetMaxExpiresS()), fallback: int64(o.GetDefaultExpiresS()),
		contacts: int(o.GetMaxContacts()),
	}
}

// update changes the bindings and fills the answer.
func (g *Registrar) update(r *Request, v *fsm.View, d *configpb.DN, a *answer.Answer) {
	number, now, lim := dn.Number(d.GetNumber()), g.cfg.Now(), limitsOf(v.Options())
	lim.loops = g.cfg.Loops
	lim.pair = d.GetDualRegistration() || v.Options().GetDualRegistration()
	dec, lost := g.apply(r, number, lim, now)
	if lost {
		g.FlowEnded(r.flow(), number)
	}
	if dec.fault != nil {
		refuse(a, dec.fault, lim.min)
		return
	}
	realm := ""
	if r.SupportsGRUU {
		realm = v.Options().GetRealm()
	}
	g.accept(r, &dec, a, now, number, realm)
}

// apply decides and commits under the DN's lock. lost says that the connection
// the request came over has ended meanwhile.
func (g *Registrar) apply(r *Request, n dn.Number, lim limits, now time.Time) (dec decision, lost bool) {
	defer g.lock(string(n)).Unlock()
	e := g.cfg.Store.Get(n)
	if e != nil && !g.restored.Load() && g.putBack(e) {
		e = g.cfg.Store.Get(n)
	}
	none := e == nil
	if none {
		e = &location.Entry{}
	}
	dec = decide(r, e.Bindings, lim, now, func(callID []byte) (uint32, bool, bool) {
		return g.history.last(string(n), callID, now)
	})
	if dec.fault == nil {
		dec.fault = g.overtaken(n, &dec)
	}
	if none && dec.fault == nil {
		g.endAside(r, n, lim, now)
	}
	if dec.fault == nil && dec.changed {
		dec.way = wayOf(dec.bindings, lim.pair, e.Record.Way)
		lost = !g.commit(r, n, e, &dec, now)
	}
	return dec, lost
}

// overtaken looks again at what admit saw: the DN may have been withdrawn, or
// the node set to drain, while the request was being served.
func (g *Registrar) overtaken(n dn.Number, dec *decision) *message.Fault {
	d := g.cfg.Machine.View().DN(string(n))
	switch {
	case d == nil || d.GetDisabled() || d.GetKind() != configpb.DNKind_DN_KIND_SIP:
		return errWithdrawn
	case dec.claim && g.cfg.Draining():
		return errDraining
	}
	return nil
}

// accept writes the 200 with all bindings of a DN; with their GRUUs where there is a realm.
func (g *Registrar) accept(r *Request, dec *decision, a *answer.Answer, now time.Time, n dn.Number, realm string) {
	a.Set(200, "OK")
	a.Durable = dec.changed
	a.Lines = appendContacts(a.Lines, dec.bindings, now, n, realm)
	for _, p := range r.Path {
		a.Header("Path", text(p))
	}
	if r.flows() {
		a.Header("Require", Outbound) // by this the phone knows that it may open another flow
	}
}

// appendContacts lists the bindings with the seconds that they have left (RFC 3261 §10.3 step 8).
func appendContacts(lines []byte, bindings []location.Binding, now time.Time, n dn.Number, realm string) []byte {
	for i := range bindings {
		b := &bindings[i]
		left := (b.Expires.Sub(now) + time.Second - 1) / time.Second
		if left <= 0 {
			continue
		}
		lines = append(lines, "Contact: <"...)
		lines = append(lines, b.Contact...)
		lines = append(lines, '>')
		lines = append(lines, b.Params...)
		if realm != "" {
			lines = gruu.AppendParam(lines, n, realm, b)
		}
		lines = append(lines, ";expires="...)
		lines = strconv.AppendInt(lines, int64(left), 10)
		lines = append(lines, "\r\n"...)
	}
	return lines
}

// refuse answers with the header that the fault calls for; least is the
// shortest lifetime that would do, in seconds.
func refuse(a *answer.Answer, f *message.Fault, least int64) {
	switch f {
	case errDraining:
		a.Draining()
	case errBrief:
		a.Fault(f)
		a.Number("Min-Expires", least)
	default:
		a.Fault(f)
		a.Refusal = f == errWithdrawn
	}
}

// commit makes a decision true in table and store. It is false when the
// connection that the request came over has ended meanwhile.
func (g *Registrar) commit(r *Request, n dn.Number, e *location.Entry, dec *decision, now time.Time) bool {
	g.remember(r, string(n), e.Bindings, dec, now)
	g.cfg.Stats.Bindings.Add(int64(len(dec.bindings) - len(e.Bindings)))
	switch {
	case dec.claim:
		if len(e.Bindings) == 0 {
			g.cfg.Stats.Registrations.Add(1)
		} else {
			g.cfg.Stats.Refreshes.Add(1)
		}
		rec := g.cfg.Table.RegisterPhone(n, dn.Registered, dec.way, usual(dec.bindings))
		g.cfg.Store.Put(&location.Entry{Record: rec, Bindings: dec.bindings})
		return !r.Transport.Connected() || g.cfg.Flows.Attach(r.flow(), n)
	case len(dec.bindings) > 0:
		g.cfg.Stats.Removals.Add(1)
		g.keep(e.Record, dec.bindings)
	default:
		g.cfg.Stats.Removals.Add(1)
		g.end(n, e.Record.ClaimTime, dn.Unregistered)
	}
	return true
}

// remember notes the Call-IDs that lost their bindings by a request, for
// decide: nothing late may speak for them.
func (g *Registrar) remember(r *Request, number string, old []location.Binding, dec *decision, now time.Time) {
	if !dec.claim || !hasCall(old, string(r.CallID)) {
		g.rememberOwn(r, number, dec, now)
	}
	for i := range old {
		b := &old[i]
		if callID := b.CallID; callID != string(r.CallID) && !hasCall(dec.bindings, callID) {
			g.history.add(number, callID, b.CSeq, now)
		}
	}
}

func (g *Registrar) rememberOwn(r *Request, number string, dec *decision, now time.Time) {
	if hasCall(dec.bindings, string(r.CallID)) {
		g.history.forget(number, r.CallID)
	} else {
		g.history.add(number, string(r.CallID), r.CSeq, now)
	}
}

func hasCall(bindings []location.Binding, callID string) bool {
	for i := range bindings {
		if bindings[i].CallID == callID {
			return true
		}
	}
	return false
}

// end puts a DN out of service under the claim of its registration, unless the end
// of a drain has. When the table does not know that claim any more, somebody
// else's is greater and the bindings are void. The caller holds the DN's lock.
func (g *Registrar) end(n dn.Number, claim int64, reason dn.Reason) {
	rec, ok := g.cfg.Table.End(n, claim, reason)
	if !ok {
		rec, ok = g.cfg.Table.Own(n)
	}
	if ok && rec.ClaimTime == claim {
		g.cfg.Store.Put(&location.Entry{Record: rec})
		return
	}
	g.cfg.Store.Delete(n)
}
