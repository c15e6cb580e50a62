// Package dialog knows the answered calls: who their parties are, when they end, and who
// wants to hear of it. What is passed on within a dialog needs none of it: the tokens in
// the Route tell the way.
package dialog

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

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
	// maxEnded is how many dialogs that were not known here are remembered as ended.
	maxEnded = 16384
)

// Table has the answered calls that somebody wants to hear the end of.
type Table struct {
	now func() time.Time

	// ended are dialogs that were not known here when they ended.
	ended *recent.Set

	mu   sync.Mutex
	open map[Key]*Dialog
	// named are the open ones by call, each with its fellows.
	named map[string]*Dialog
	// linger are those that are not open, in which something may be told yet.
	linger map[Key]lingering
}

// lingering is what is left of the dialogs of a key: until when, and who followed them.
type lingering struct {
	until time.Time
	hear  []Follower
}

// NewTable makes an empty one; Run has to be called.
func NewTable(now func() time.Time) *Table {
	return &Table{now: now, ended: recent.New(maxEnded), open: map[Key]*Dialog{}, named: map[string]*Dialog{}, linger: map[Key]lingering{}}
}

// Begin notes a call that was answered with res. acked is called when its ACK
// passes.
func (d *Table) Begin(res *message.Message, birth uint64, acked func()) *Dialog {
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
	if len(v) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// Also notes an answer of one more phone.
func (d *Table) Also(res *message.Message) {
	k := answeredKey(res)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[k] == nil {
		d.linger[k] = lingering{d.now().Add(extra), d.linger[k].hear}
	}
}

// Ended tells whether a dialog of a Call-ID and tags ended lately that was not known here.
func (d *Table) Ended(k Key) bool { return d.ended.Has(k[0]) }

// Standing tells whether a dialog of an INVITE is open, and whether it lingers.
func (d *Table) Standing(k Key, birth uint64) (open, lingers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.birth == birth {
			return true, false
		}
	}
	l, lingers := d.linger[k]
	return false, lingers && l.until.After(d.now())
}

// Contact is the URI at which a side is reached, as it said last; nil when that is not
// known.
func (d *Table) Contact(k Key, of Side) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.parties != nil {
			return x.parties.Of(of).Contact
		}
	}
	return nil
}

// TakesREFER tells whether a side takes a REFER, as far as that is known.
func (d *Table) TakesREFER(k Key, side Side) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.parties != nil && x.parties.Of(side).NoREFER {
			return false
		}
	}
	return true
}

// NoREFER notes that a side takes none.
func (d *Table) NoREFER(k Key, side Side) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.parties != nil {
			x.parties.Of(side).NoREFER = true
		}
	}
}

// NameOf is what the called side knows the caller as, or the caller the called side; nil when
// that is not known.
func (d *Table) NameOf(k Key, of Side) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.parties != nil {
			return x.parties.Of(of).Name
		}
	}
	return nil
}

// Ack notes the caller's ACK, for its first.
func (d *Table) Ack(k Key) {
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

// Refreshed notes an answered re-INVITE or UPDATE, and where who answered it is reached.
func (d *Table) Refreshed(at Ref, res *message.Message) {
	until := d.now().Add(lifetime(res))
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[at.Key]; x != nil; x = x.next {
		x.deadline = until
		if x.parties != nil && res.Has(message.Contact) {
			x.parties.Of(at.By.Other()).Contact = slices.Clone(res.ContactURI())
		}
	}
}

// HungUp notes a BYE, and returns the dialogs to release. told: the other side has
// answered it.
func (d *Table) HungUp(at Ref, told bool) *Dialog {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[at.Key] == nil {
		d.ended.Add(at.Key[0])
	}
	return d.take(at.Key, at.By, told)
}

// take ends the dialogs of a key. The caller holds mu.
func (d *Table) take(k Key, by Side, told bool) *Dialog {
	first := d.open[k]
	delete(d.open, k)
	for x := first; x != nil; x = x.next {
		x.over, x.by, x.told = true, by, told
		d.unname(x)
		if x.refers {
			d.linger[k] = lingering{d.now().Add(referred), followers(first)}
		}
	}
	return first
}

// End ends one dialog; false when it is over.
func (d *Table) End(x *Dialog, by Side, cause int, told bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.over {
		return false
	}
	x.over, x.by, x.cause, x.told = true, by, cause, told
	d.unname(x)
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

// IsOver tells whether a dialog has ended.
func (d *Table) IsOver(x *Dialog) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return x.over
}

// Attach has a connection let go of at the end; false when that was.
func (d *Table) Attach(x *Dialog, c Link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !x.over {
		x.links = append(x.links, c)
	}
	return !x.over
}

// Name notes whose call it is.
func (d *Table) Name(x *Dialog, call string, peer dn.Node, p *Parties) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unname(x)
	x.call, x.peer, x.parties = call, peer, p
	if call != "" && !x.over {
		x.fellow = d.named[call]
		d.named[call] = x
	}
}

// unname takes a dialog out of its call's. The caller holds mu.
func (d *Table) unname(x *Dialog) {
	for at := d.named[x.call]; at != nil; at = at.fellow {
		if at.fellow == x {
			at.fellow = x.fellow
		}
	}
	switch {
	case d.named[x.call] != x:
	case x.fellow == nil:
		delete(d.named, x.call)
	default:
		d.named[x.call] = x.fellow
	}
	x.fellow = nil
}

// Unacknowledged are the open dialogs of calls of a peer whose answer got no ACK yet.
func (d *Table) Unacknowledged(peer dn.Node) (list []*Dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range walk.Map(&d.mu, d.open) {
		for ; x != nil; x = x.next {
			if x.peer == peer && x.acked != nil && x.parties != nil {
				list = append(list, x)
			}
		}
	}
	return list
}

// Of are the open dialogs of a call.
func (d *Table) Of(call string) (list []*Dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.named[call]; x != nil; x = x.fellow {
		if x.parties != nil {
			list = append(list, x)
		}
	}
	return list
}

// Seen notes a request within a dialog: its number, and where its sender is reached.
func (d *Table) Seen(at Ref, cseq uint32, contact []byte, refers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[at.Key]; x != nil; x = x.next {
		if x.refers = x.refers || refers; x.parties == nil {
			continue
		}
		p := x.parties.Of(at.By)
		if p.CSeq = max(p.CSeq, cseq); contact != nil {
			p.Contact = slices.Clone(contact)
		}
	}
}

// Call is the ConnID of the call that a dialog is of; "" when that is not known.
func (d *Table) Call(k Key) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for x := d.open[k]; x != nil; x = x.next {
		if x.call != "" {
			return x.call
		}
	}
	return ""
}

// Referred notes a REFER that was agreed to; silent: the other side tells nothing of what
// becomes of it (RFC 4488). What it returns tells who follows the dialogs, without the shard.
func (d *Table) Referred(at Ref, silent bool) (tell func()) {
	return d.told(at.Key, func(f Follower) {
		if f.Referred(at.By); silent {
			f.Calling(at.By.Other(), true)
		}
	})
}

// Calling notes what a side that was asked to call somebody tells of that, by a SIP status. What
// it returns tells who follows the dialogs, also when they are over, without the shard.
func (d *Table) Calling(at Ref, status int) (tell func()) {
	return d.told(at.Key, func(f Follower) { f.Calling(at.By, status < 300) })
}

// told has those who follow the dialogs of a key hear something.
func (d *Table) told(k Key, hear func(Follower)) (tell func()) {
	d.mu.Lock()
	list := append(followers(d.open[k]), d.linger[k].hear...)
	d.mu.Unlock()
	return func() {
		for _, f := range list {
			hear(f)
		}
	}
}

// followers are those of a key's dialogs. The caller holds mu.
func followers(first *Dialog) (list []Follower) {
	for x := first; x != nil; x = x.next {
		if x.follower != nil {
			list = append(list, x.follower)
		}
	}
	return list
}

// maxRaised is how often a dialog's gateway is answered.
const maxRaised = 200

// Raise has what a side sends from now on numbered higher by one more, because a request
// of its own was sent twice; false when the dialog is not known here.
func (d *Table) Raise(at Ref) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := false
	for x := d.open[at.Key]; x != nil; x = x.next {
		if x.raised[at.By] == maxRaised {
			return false
		}
		x.raised[at.By]++
		known = true
	}
	return known
}

// Raised is by how much what a side sends is numbered higher.
func (d *Table) Raised(at Ref) uint8 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.open[at.Key]; x != nil {
		return x.raised[at.By]
	}
	return 0
}

// Run ends the dialogs whose session timer runs out.
func (d *Table) Run(ctx context.Context) {
	t := beat.New(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Again()
			d.sweep()
		}
	}
}

// Held counts what is open.
func (d *Table) Held(held map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held["sip_dialogs"] = len(d.open)
}

// Forget lets go of the dialogs that go on without this server.
func (d *Table) Forget() {
	d.mu.Lock()
	var links []Link
	for _, x := range walk.Map(&d.mu, d.open) {
		for ; x != nil; x = x.next {
			x.over = true
			d.unname(x)
			links = append(links, x.links...)
		}
	}
	clear(d.open)
	clear(d.linger)
	d.mu.Unlock()
	for _, c := range links {
		c.End()
	}
}

func (d *Table) sweep() {
	now := d.now()
	var over []*Dialog
	d.mu.Lock()
	for k, x := range walk.Map(&d.mu, d.open) {
		if !x.deadline.After(now) {
			over = append(over, d.take(k, Nobody, false))
		}
	}
	for k, l := range walk.Map(&d.mu, d.linger) {
		if !l.until.After(now) {
			delete(d.linger, k)
		}
	}
	d.mu.Unlock()
	for _, x := range over {
		x.Release()
	}
}
