package proxy

import (
	"context"
	"hash/maphash"
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

// dialogKey names a dialog as the caller sees it: what Call-ID and tags come to.
type dialogKey [2]uint64

var dialogSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func dialogKeyOf(callID, caller, called []byte) dialogKey {
	var buf [192]byte
	b := append(append(buf[:0], callID...), 0)
	b = append(append(b, caller...), 0)
	b = append(b, called...)
	return dialogKey{maphash.Bytes(dialogSeeds[0], b), maphash.Bytes(dialogSeeds[1], b)}
}

// dialogKeys are the key of a message's dialog if the caller is in From, and if
// it is in To.
func dialogKeys(m *message.Message) (straight, turned dialogKey) {
	callID, from, to := m.Get(message.CallID), m.Tag(message.From), m.Tag(message.To)
	return dialogKeyOf(callID, from, to), dialogKeyOf(callID, to, from)
}

const (
	// maxSilent is how long a call without session timer may be quiet before
	// it counts as over.
	maxSilent = 24 * time.Hour
	// sweepEvery is how often session timers are looked at.
	sweepEvery = time.Second
)

// dialogs are the answered calls that somebody wants to hear the end of.
type dialogs struct {
	now func() time.Time

	mu   sync.Mutex
	open map[dialogKey]*Dialog
}

func newDialogs(now func() time.Time) *dialogs {
	return &dialogs{now: now, open: map[dialogKey]*Dialog{}}
}

// begin notes a call that was answered with res. acked is called when its ACK
// passes.
func (d *dialogs) begin(res *message.Message, acked func()) *Dialog {
	k, _ := dialogKeys(res)
	x := &Dialog{in: d, key: k, acked: acked, deadline: d.now().Add(lifetime(res))}
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

// ack notes an ACK by its keys, for the caller's first.
func (d *dialogs) ack(straight dialogKey) {
	d.mu.Lock()
	var first []func()
	for x := d.open[straight]; x != nil; x = x.next {
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

// refreshed notes an answered re-INVITE or UPDATE.
func (d *dialogs) refreshed(res *message.Message) {
	straight, turned := dialogKeys(res)
	until := d.now().Add(lifetime(res))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range [...]dialogKey{straight, turned} {
		for x := d.open[k]; x != nil; x = x.next {
			x.deadline = until
		}
	}
}

// hungUp notes a BYE by its keys, and returns the dialogs to release. told: the other
// side has answered it.
func (d *dialogs) hungUp(straight, turned dialogKey, told bool) *Dialog {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, by := straight, CallerSide
	if d.open[k] == nil {
		k, by = turned, CalledSide
	}
	return d.take(k, by, told)
}

// take ends the dialogs of a key. The caller holds mu.
func (d *dialogs) take(k dialogKey, by Side, told bool) *Dialog {
	first := d.open[k]
	delete(d.open, k)
	for x := first; x != nil; x = x.next {
		x.over, x.by, x.told = true, by, told
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
func (d *dialogs) seen(m *message.Message, cseq uint32, contact []byte) {
	straight, turned := dialogKeys(m)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, k := range [...]dialogKey{straight, turned} {
		for x := d.open[k]; x != nil; x = x.next {
			if x.parties == nil {
				continue
			}
			p := &x.parties.caller
			if i == 1 {
				p = &x.parties.called
			}
			if p.cseq = max(p.cseq, cseq); contact != nil {
				p.contact = slices.Clone(contact)
			}
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
	d.mu.Unlock()
	for _, x := range over {
		x.release()
	}
}
