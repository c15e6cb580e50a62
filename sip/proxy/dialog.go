package proxy

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Side is one of the two parties of a dialog.
type Side uint8

const (
	// Nobody hung up: the session timer ran out.
	Nobody Side = iota
	// CallerSide hung up.
	CallerSide
	// CalledSide hung up.
	CalledSide
)

// Dialog is an answered call. Nothing that is passed on needs it: it is for
// those who want to know when the call ends: a BYE was answered, or its session
// timer ran out.
type Dialog struct {
	in *dialogs
	// Below is guarded by in.mu.
	over     bool
	by       Side
	told     bool // so were both sides
	cause    int  // SIP code of an end that nobody asked for, else 0
	deadline time.Time
	then     []func(Side)
	next     *Dialog // of the same call, which passed here twice
	acked    func()  // for the first ACK; nil after it
	key      dialogKey
	birth    uint64        // of its INVITE, as the tokens say
	refers   bool          // somebody was asked to call somebody, or to tell of something
	call     string        // ConnID; "" for none
	peer     dn.Node       // that has the call; "" for this one
	links    []*connection // of its sides
	// parties are written under the lock of the call's shard as well.
	parties *parties
}

// other is the side opposite.
func (s Side) other() Side {
	if s == CallerSide {
		return CalledSide
	}
	return CallerSide
}

// Then has f called when the dialog has ended, at once when it has already. It
// is told who hung up, and must not wait.
func (d *Dialog) Then(f func(by Side)) {
	d.in.mu.Lock()
	if !d.over {
		d.then = append(d.then, f)
		d.in.mu.Unlock()
		return
	}
	d.in.mu.Unlock()
	f(d.by)
}

const (
	// maxSilent is how long a call without session timer may be quiet before
	// it counts as over.
	maxSilent = 24 * time.Hour
	// referred is how long who was asked to call somebody may tell of it when the
	// dialog is over (RFC 3515, RFC 5589); extra how long another phone that has
	// answered too may be told that nobody wants it (RFC 3261 §13.2.2.4).
	referred, extra = 3 * time.Minute, 32 * time.Second
	// sweepEvery is how often session timers are looked at.
	sweepEvery = time.Second
)

// dialogs are the answered calls that somebody wants to hear the end of.
type dialogs struct {
	now func() time.Time

	// ended are dialogs that were not known here when they ended.
	ended *recent

	mu   sync.Mutex
	open map[dialogKey]*Dialog
	// linger are those that are not open and may be followed until then.
	linger map[dialogKey]time.Time
}

func newDialogs(now func() time.Time) *dialogs {
	return &dialogs{now: now, ended: newRecent(maxRecent), open: map[dialogKey]*Dialog{}, linger: map[dialogKey]time.Time{}}
}

// begin notes a call that was answered with res. acked is called when its ACK
// passes.
func (d *dialogs) begin(res *message.Message, birth uint64, acked func()) *Dialog {
	k := answeredKey(res)
	x := &Dialog{in: d, key: k, birth: birth, acked: acked, deadline: d.now().Add(lifetime(res))}
	d.mu.Lock()
	defer d.mu.Unlock()
	x.next = d.open[k]
	d.open[k] = x
	return x
}

// lifetime is how long the session lasts without a refresh (RFC 4028 §10: the
// side that does not refresh hangs up a little earlier).
func lifetime(res *message.Message) time.Duration {
	if s := sessionExpires(res); s > 0 {
		return time.Duration(s) * time.Second
	}
	return maxSilent
}

// sessionExpires is the interval in seconds; 0 without one.
func sessionExpires(m *message.Message) int64 {
	v := m.Get(message.SessionExpires)
	for i, c := range v {
		if c < '0' || c > '9' {
			v = v[:i]
			break
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// also notes an answer of one more phone.
func (d *dialogs) also(res *message.Message) {
	k := answeredKey(res)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[k] == nil {
		d.linger[k] = d.now().Add(extra)
	}
}

// standing tells whether a dialog of an INVITE is open, and whether it lingers.
func (d *dialogs) standing(k dialogKey, birth uint64) (open, lingers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.birth == birth {
			return true, false
		}
	}
	until, lingers := d.linger[k]
	return false, lingers && until.After(d.now())
}

// contact is the URI at which a side is reached, as it said last; nil when that is not
// known.
func (d *dialogs) contact(k dialogKey, of Side) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.parties != nil {
			return x.parties.of(of).contact
		}
	}
	return nil
}

// ack notes the caller's ACK, for its first.
func (d *dialogs) ack(k dialogKey) {
	d.mu.Lock()
	var first []func()
	for x := d.open[k]; x != nil; x = x.next {
		if x.acked != nil {
			first = append(first, x.acked)
			x.acked = nil
		}
	}
	d.mu.Unlock()
	for _, f := range first {
		f()
	}
}

// refreshed notes an answered re-INVITE or UPDATE, and where who answered it is reached.
func (d *dialogs) refreshed(at dialogRef, res *message.Message) {
	until := d.now().Add(lifetime(res))
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[at.key]; x != nil; x = x.next {
		x.deadline = until
		if x.parties != nil && res.Has(message.Contact) {
			x.parties.of(at.by.other()).contact = slices.Clone(contactOf(res))
		}
	}
}

// hungUp notes a BYE, and returns the dialogs to release. told: the other side has
// answered it.
func (d *dialogs) hungUp(at dialogRef, told bool) *Dialog {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[at.key] == nil {
		d.ended.add(at.key[0])
	}
	return d.take(at.key, at.by, told)
}

// take ends the dialogs of a key. The caller holds mu.
func (d *dialogs) take(k dialogKey, by Side, told bool) *Dialog {
	first := d.open[k]
	delete(d.open, k)
	for x := first; x != nil; x = x.next {
		x.over, x.by, x.told = true, by, told
		if x.refers {
			d.linger[k] = d.now().Add(referred)
		}
	}
	return first
}

// end ends one dialog; false when it is over.
func (d *dialogs) end(x *Dialog, by Side, cause int, told bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.over {
		return false
	}
	x.over, x.by, x.cause, x.told = true, by, cause, told
	rest := &Dialog{next: d.open[x.key]}
	for p := rest; p.next != nil; p = p.next {
		if p.next == x {
			p.next = x.next
			break
		}
	}
	if x.next = nil; rest.next == nil {
		delete(d.open, x.key)
	} else {
		d.open[x.key] = rest.next
	}
	return true
}

func (d *dialogs) isOver(x *Dialog) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return x.over
}

// attach has a connection let go of at the end; false when that was.
func (d *dialogs) attach(x *Dialog, c *connection) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !x.over {
		x.links = append(x.links, c)
	}
	return !x.over
}

// name notes whose call it is.
func (d *dialogs) name(x *Dialog, call string, peer dn.Node, p *parties) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x.call, x.peer, x.parties = call, peer, p
}

// unacknowledged are the open dialogs of calls of a peer whose answer got no ACK yet.
func (d *dialogs) unacknowledged(peer dn.Node) (list []*Dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.open {
		for ; x != nil; x = x.next {
			if x.peer == peer && x.acked != nil && x.parties != nil {
				list = append(list, x)
			}
		}
	}
	return list
}

// of are the open dialogs of a call.
func (d *dialogs) of(call string) (list []*Dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.open {
		for ; x != nil; x = x.next {
			if x.call == call && x.parties != nil {
				list = append(list, x)
			}
		}
	}
	return list
}

// seen notes a request within a dialog: its number, and where its sender is reached.
func (d *dialogs) seen(at dialogRef, cseq uint32, contact []byte, refers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[at.key]; x != nil; x = x.next {
		if x.refers = x.refers || refers; x.parties == nil {
			continue
		}
		p := x.parties.of(at.by)
		if p.cseq = max(p.cseq, cseq); contact != nil {
			p.contact = slices.Clone(contact)
		}
	}
}

// release tells those who wait for the end of dialogs that were taken. The caller holds
// no shard.
func (d *Dialog) release() {
	for ; d != nil; d = d.next {
		for _, c := range d.links {
			c.end()
		}
		for _, f := range d.then {
			f(d.by)
		}
	}
}

// run ends the dialogs whose session timer runs out.
func (d *dialogs) run(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			d.sweep()
		}
	}
}

func (d *dialogs) held(held map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held["sip_dialogs"] = len(d.open)
}

// forget lets go of the dialogs that go on without this server.
func (d *dialogs) forget() {
	d.mu.Lock()
	var links []*connection
	for _, x := range d.open {
		for ; x != nil; x = x.next {
			x.over = true
			links = append(links, x.links...)
		}
	}
	clear(d.open)
	clear(d.linger)
	d.mu.Unlock()
	for _, c := range links {
		c.end()
	}
}

func (d *dialogs) sweep() {
	now := d.now()
	var over []*Dialog
	d.mu.Lock()
	for k, x := range d.open {
		if !x.deadline.After(now) {
			over = append(over, d.take(k, Nobody, false))
		}
	}
	maps.DeleteFunc(d.linger, func(_ dialogKey, until time.Time) bool { return !until.After(now) })
	d.mu.Unlock()
	for _, x := range over {
		x.release()
	}
}
