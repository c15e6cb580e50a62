package guard

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/source"
)

// pedal is brakes with a clock of their own.
type pedal struct {
	*brakes
	t    *testing.T
	time time.Time
	// bound are the DNs that are registered from the office.
	bound map[string]bool
	ha1   map[string]string
	n     uint32
}

func newPedal(t *testing.T) *pedal {
	p := &pedal{t: t, time: time.Now(), bound: map[string]bool{}, ha1: map[string]string{}}
	p.brakes = newBrakes(func() time.Time { return p.time }, func(number []byte, from netip.Addr) bool { return from == office && p.bound[string(number)] })
	return p
}

func (p *pedal) after(d time.Duration) { p.time = p.time.Add(d) }

// asks is one more request with a password, right or not.
func (p *pedal) asks(from netip.Addr, user string, v digest.Verdict) (ok bool) {
	p.n++
	return p.again(from, user, v)
}

// again is the last request once more.
func (p *pedal) again(from netip.Addr, user string, v digest.Verdict) (ok bool) {
	t := try{source: from, user: []byte(user), ha1: p.ha1[user], print: p.n}
	if !p.begin(&t) {
		return false
	}
	_, ok = p.end(&t, v)
	return ok
}

// tried are how many wrong passwords of many are looked at.
func (p *pedal) tried(from netip.Addr, user string, many int) (n int) {
	for range many {
		if p.asks(from, user, digest.Wrong) {
			n++
		}
	}
	return n
}

func (p *pedal) is(what string, got, want any) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// passes tells whether a right password is looked at.
func (p *pedal) passes(from netip.Addr, user string) bool { return p.asks(from, user, digest.OK) }

func TestBrakes_APairIsSilentAndOnlyThat(t *testing.T) {
	p := newPedal(t)
	p.is("tried", p.tried(office, "1001", 100), tries)
	p.is("a challenge of the pair", p.silent(office, []byte("1001"), ""), true)
	p.is("the right password", p.passes(office, "1001"), false)
	p.is("the same DN elsewhere", p.passes(home, "1001"), true)
	p.is("another DN there", p.passes(office, "1002"), true)
	p.is("a challenge of another DN", p.silent(office, []byte("1002"), ""), false)
	p.after(firstSilence - 1)
	p.is("a moment too early", p.passes(office, "1001"), false)
	p.after(1)
	p.is("afterwards", p.passes(office, "1001"), true)
	p.is("all begins anew", p.tried(office, "1001", 100), tries)
}

func TestBrakes_SilencesDoubleAndEnd(t *testing.T) {
	p := newPedal(t)
	p.tried(office, "1001", tries)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		want *= time.Minute
		p.is("left", p.bans()[0].Left, want)
		p.after(want - 1)
		p.is("before the end", p.tried(office, "1001", 3), 0)
		p.after(1)
		p.is("behind the end", p.tried(office, "1001", 3), 1)
	}
	p.after(longestSilence + remembered)
	p.is("much later", p.tried(office, "1001", 100), tries)
	p.is("and that begins with the first", p.bans()[0].Left, firstSilence)
}

// TestBrakes_WhereItIsRegisteredItIsBackSoon: the password of a phone was changed, and
// it goes on with the old one.
func TestBrakes_WhereItIsRegisteredItIsBackSoon(t *testing.T) {
	p := newPedal(t)
	p.bound["1001"] = true
	p.tried(office, "1001", tries)
	for range 5 {
		p.is("left", p.bans()[0].Left, firstSilence)
		p.after(firstSilence)
		p.tried(office, "1001", 3)
	}
	p.ha1["1001"] = "of another password"
	p.is("the new password", p.passes(office, "1001"), true)
	p.is("what is remembered", len(p.pairs)+len(p.sources), 0)
}

func TestBrakes_WhatIsNoTryDoesNotCount(t *testing.T) {
	p := newPedal(t)
	p.tried(office, "1001", tries-1)
	for range 100 {
		p.again(office, "1001", digest.Wrong) // the network delivered it again
	}
	for range 100 {
		p.asks(office, "1001", digest.Stale)
		p.asks(office, "1001", digest.Unfit)
	}
	p.is("silent", p.silent(office, []byte("1001"), ""), false)
	p.is("right", p.passes(office, "1001"), true)
	p.is("and then from the beginning", p.tried(office, "1001", 100), tries)
}

func TestBrakes_ASourceTriesFewOfAllDNs(t *testing.T) {
	p := newPedal(t)
	p.bound["1777"] = true
	n := 0
	for minute := range 10 {
		for i := range 600 { // one each tenth of a second
			n += p.tried(office, fmt.Sprint(1000+i), 1)
			if i > 2*tries && minute == 0 {
				p.is("who is registered there", p.passes(office, "1777"), true)
				p.is("who is not", p.passes(office, "1999"), false)
				p.is("another source", p.passes(home, "1999"), true)
			}
			p.after(window / 600)
		}
		p.is(fmt.Sprint("tried in minute ", minute), n, tries*(minute+1))
	}
	p.after(window)
	p.is("who is not registered, when all is over", p.passes(office, "1999"), true)
}

// TestBrakes_OneWrongPasswordSilencesNobodyElse of many phones behind an address.
func TestBrakes_OneWrongPasswordSilencesNobodyElse(t *testing.T) {
	p := newPedal(t)
	for i := range 3600 { // an hour
		p.tried(office, "1001", 1)
		if number := fmt.Sprint(2000 + i%300); !p.passes(office, number) || p.silent(office, []byte(number), "") {
			t.Fatalf("after %d s: %s is not served", i, number)
		}
		p.after(time.Second)
	}
}

// TestBrakes_OfManyAtOnceNotOneMorePasses: who has many connections tries no more.
func TestBrakes_OfManyAtOnceNotOneMorePasses(t *testing.T) {
	p := newPedal(t)
	p.tried(office, "1001", 1)
	var n sync.Map
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 100 {
				t := try{source: office, user: []byte("1001"), print: uint32(1000 + i*100 + j)}
				if p.begin(&t) {
					n.Store(t.print, true)
					p.end(&t, digest.Wrong)
				}
			}
		})
	}
	all.Wait()
	count := 1
	n.Range(func(any, any) bool { count++; return true })
	p.is("tried", count, tries)
}

// TestBrakes_OfThoseThatBeganBeforeOneFailed no more count either, a right one no more than
// others.
func TestBrakes_OfThoseThatBeganBeforeOneFailed(t *testing.T) {
	for _, numbers := range []int{1, 50} { // of one DN, or one each of many
		p := newPedal(t)
		var begun []*try
		for i := range uint32(50) {
			begun = append(begun, &try{source: office, user: fmt.Append(nil, 1000+int(i)%numbers), print: i})
			if !p.begin(begun[i]) {
				t.Fatalf("try %d does not begin", i)
			}
		}
		count := 0
		for i, x := range begun {
			v := digest.Wrong
			if i >= tries {
				v = []digest.Verdict{digest.Wrong, digest.OK, digest.Stale}[i%3]
			}
			if _, ok := p.end(x, v); ok {
				count++
			}
		}
		p.is("count", count, tries)
		p.is("bans", len(p.bans()), 1)
	}
}

func TestBrakes_KeepNoMoreThanTheyMay(t *testing.T) {
	p := newPedal(t)
	a := netip.MustParseAddr("2001:db8::")
	b := a.As16()
	for i := range 2 * maxPairs {
		b[5], b[6], b[7] = byte(i>>16), byte(i>>8), byte(i)
		p.tried(source.Of(netip.AddrFrom16(b)), "1001", 1)
		p.tried(office, "1001", 1) // is remembered as long as it goes on
		p.after(time.Millisecond)
	}
	p.is("pairs", len(p.pairs), maxPairs)
	p.is("in order", p.order.Len(), maxPairs)
	p.is("the one that goes on", p.tried(office, "1001", 1), 0)
	marked := int32(0)
	for i := range p.marks {
		marked += p.marks[i].Load()
	}
	p.is("sources", len(p.sources), int(marked))
	p.after(longestSilence + remembered)
	for range 1 + maxPairs/walk.Most {
		p.tried(home, "1001", 1)
	}
	p.is("much later", len(p.pairs)+len(p.sources), 2)
	p.tried(home, string(make([]byte, maxUser+1)), 1)
	p.is("with a name that no DN has", len(p.pairs), 1)
}

// TestBrakes_TakeFewBytes, whoever comes: each pair has a source of its own and the
// longest name.
func TestBrakes_TakeFewBytes(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	p, before, a := newPedal(t), heap(), netip.MustParseAddr("198.18.0.0")
	for i := range 2 * maxPairs {
		p.tried(a, fmt.Sprintf("%0*d", maxUser, i), 1)
		a = a.Next()
	}
	used := heap() - before
	t.Logf("%d pairs take %.1f MiB", len(p.pairs), float64(used)/(1<<20))
	if used > 16<<20 {
		t.Errorf("%d pairs take %d bytes", len(p.pairs), used)
	}
}

func TestBrakes_AreCleared(t *testing.T) {
	for _, c := range []struct {
		source       netip.Addr
		dn           string
		ended, there int
	}{
		{netip.Addr{}, "", 4, 0}, {office, "", 3, 1}, {home, "", 1, 3}, {office, "1001", 1, 2}, {netip.Addr{}, "1001", 2, 1}, {home, "1002", 0, 4}, {netip.MustParseAddr("192.0.2.9"), "", 0, 4},
	} {
		p := newPedal(t)
		p.tried(office, "1001", tries)
		p.after(firstSilence)
		p.tried(office, "1001", 1)
		p.after(window)
		p.tried(office, "1002", tries)
		p.tried(home, "1001", tries)
		p.is("all", fmt.Sprint(p.bans()), "[{192.0.2.1  10 1m0s} {192.0.2.1 1001 11 1m0s} {192.0.2.1 1002 10 1m0s} {192.0.2.2 1001 10 1m0s}]")
		p.is(fmt.Sprint("cleared of ", c.source, c.dn), p.clear(c.source, c.dn), c.ended)
		p.is(fmt.Sprint("left of ", c.source, c.dn), len(p.bans()), c.there)
	}
}
