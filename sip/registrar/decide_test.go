package registrar

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
)

// step is a REGISTER in short: "call cseq contacts..." with contacts as
// "uri=expires", or "uri/instance/reg-id=expires"; "*" for all; no contact is a
// query. The word "from:port" says where it comes from, 1 when there is none.
func step(t *testing.T, text string) *Request {
	t.Helper()
	words := strings.Fields(text)
	r := &Request{Expires: -1, CallID: []byte(words[0]), Source: netip.MustParseAddrPort("192.0.2.1:1")}
	if _, err := fmt.Sscan(words[1], &r.CSeq); err != nil {
		t.Fatal(err)
	}
	for _, w := range words[2:] {
		if w == "*" {
			r.star, r.Expires = true, 0
			continue
		}
		if port, ok := strings.CutPrefix(w, "from:"); ok {
			r.Source = netip.MustParseAddrPort("192.0.2.1:" + port)
			continue
		}
		uri, expires := w, ""
		if i := strings.LastIndexByte(w, '='); i >= 0 {
			uri, expires = w[:i], w[i+1:]
		}
		uri, device, _ := strings.Cut(uri, "/")
		instance, regID, _ := strings.Cut(device, "/")
		c := contact{uri: []byte("sip:" + uri), expires: -1}
		if instance != "" {
			c.params = fmt.Appendf(c.params, `;+sip.instance="<urn:uuid:%s>"`, instance)
		}
		if regID != "" {
			c.params = fmt.Appendf(c.params, ";reg-id=%s", regID)
		}
		if expires != "" {
			if _, err := fmt.Sscan(expires, &c.expires); err != nil {
				t.Fatal(err)
			}
		}
		r.contacts = append(r.contacts, c)
	}
	return r
}

func show(bindings []location.Binding, now time.Time) string {
	var out []string
	for _, b := range bindings {
		out = append(out, fmt.Sprintf("%s/%s/%d=%d", strings.TrimPrefix(b.Contact, "sip:"), b.CallID, b.CSeq, int(b.Expires.Sub(now).Seconds())))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestDecide_Transcripts are lives of a DN, one REGISTER a line: what it says,
// and after "->" the bindings with their Call-ID, CSeq and lifetime, or the
// refusal. "+" marks a new claim. "silent uri" is a phone that does not answer.
func TestDecide_Transcripts(t *testing.T) {
	for name, script := range map[string]string{
		"register, refresh, remove": `
			a 1 p@h=100          -> + p@h/a/1=100
			a 2 p@h=200          -> + p@h/a/2=200
			a 3 p@h=0            ->`,
		"the default lifetime, the greatest, and too brief": `
			a 1 p@h              -> + p@h/a/1=3600
			a 2 p@h=99999        -> + p@h/a/2=7200
			a 3 p@h=59           -> 423
			a 4                  -> p@h/a/2=7200`,
		"a retransmission takes no claim, an older one is refused": `
			a 5 p@h=100          -> + p@h/a/5=100
			a 5 p@h=100          -> p@h/a/5=100
			a 4 p@h=100          -> 500
			a 4 p@h=0            -> 500
			a 5 p@h=0            -> 500`,
		"all or nothing": `
			a 5 p@h=100          -> + p@h/a/5=100
			b 1 q@h=100 p@h=10   -> 423
			b 1                  -> p@h/a/5=100`,
		"several contacts, one removed: no new claim": `
			a 1 p@h=100 q@h=200  -> + p@h/a/1=100 q@h/a/1=200
			a 2 p@h=0            -> q@h/a/1=200`,
		"star removes all": `
			a 1 p@h=100 q@h=200  -> + p@h/a/1=100 q@h/a/1=200
			b 1 *                ->`,
		"star needs a higher CSeq": `
			a 3 p@h=100          -> + p@h/a/3=100
			a 3 *                -> 500
			a 4 *                ->`,
		"star with a contact": `
			a 1 p@h=100 *        -> 400`,
		"a new Call-ID takes the contact over": `
			a 9 p@h=100          -> + p@h/a/9=100
			b 1 p@h=100          -> + p@h/b/1=100`,
		"the old Call-ID's un-REGISTER removes nothing": `
			a 9 p@h=100          -> + p@h/a/9=100
			b 1 p@h=100          -> + p@h/b/1=100
			a 10 p@h=0           -> p@h/b/1=100
			a 11 *               -> p@h/b/1=100`,
		"a late REGISTER of the old Call-ID is refused, a new one counts": `
			a 9 p@h=100          -> + p@h/a/9=100
			b 1 p@h=100          -> + p@h/b/1=100
			a 8 p@h=100          -> 500
			a 10 p@h=100         -> + p@h/a/10=100
			a 11 p@h=0           ->`,
		"a late REGISTER does not bring back what was removed": `
			a 1 p@h=100          -> + p@h/a/1=100
			a 2 p@h=0            ->
			a 1 p@h=100          -> 500
			a 2 p@h=0            ->
			a 3 p@h=100          -> + p@h/a/3=100`,
		"nor under another contact of the same Call-ID": `
			a 1 p@h=100          -> + p@h/a/1=100
			a 3 q@h=100          -> + p@h/a/1=100 q@h/a/3=100
			b 1 p@h=100          -> + p@h/b/1=100 q@h/a/3=100
			a 2 p@h=100          -> 500`,
		"too many contacts": `
			a 1 p@h=100 q@h=100 r@h=100       -> + p@h/a/1=100 q@h/a/1=100 r@h/a/1=100
			b 1 s@h=100                       -> 403
			b 2 r@h=100                       -> + p@h/a/1=100 q@h/a/1=100 r@h/b/2=100`,
		"the same URI written otherwise": `
			a 1 p@H.x;b=1;lr=100              -> + p@H.x;b=1;lr/a/1=100
			a 2 %70@h.X;lr;c=2=100            -> + %70@h.X;lr;c=2/a/2=100
			a 3 P@h.x=100                     -> + %70@h.X;lr;c=2/a/2=100 P@h.x/a/3=100`,
		"a device that starts again has one binding": `
			a 1 p@h:1/U/1=100                 -> + p@h:1/a/1=100
			b 1 p@h:2/u/1=100                 -> + p@h:2/b/1=100
			c 7 p@h:3/u/1=100                 -> + p@h:3/c/7=100
			c 8 p@h:4/u/1=100                 -> + p@h:4/c/8=100
			d 1 p@h:1=100                     -> + p@h:1/d/1=100 p@h:4/c/8=100`,
		"a late duplicate takes nothing over from the device": `
			a 5 p@h:1/u/1=100                 -> + p@h:1/a/5=100
			b 3 p@h:2/u/1=100                 -> + p@h:2/b/3=100
			a 5 p@h:1/u/1=100                 -> 500
			b 2 p@h:1/u/1=100                 -> 500
			b 3 p@h:2/u/1=100                 -> p@h:2/b/3=100`,
		"nor does it take anything back": `
			a 5 p@h:1/u/1=100                 -> + p@h:1/a/5=100
			b 3 p@h:2/u/1=100                 -> + p@h:2/b/3=100
			a 6 p@h:1/u/1=0                   -> p@h:2/b/3=100
			c 1 p@h:1/u/1=0                   -> p@h:2/b/3=100
			b 4 p@h:7/u/1=0                   ->`,
		"another flow or instance of it is another one": `
			a 1 p@h:1/u/1=100                 -> + p@h:1/a/1=100
			a 2 p@h:2/u/2=100                 -> + p@h:1/a/1=100 p@h:2/a/2=100
			b 1 p@h:3/v/1=100                 -> + p@h:1/a/1=100 p@h:2/a/2=100 p@h:3/b/1=100
			c 1 p@h:4/v/1=100                 -> + p@h:1/a/1=100 p@h:2/a/2=100 p@h:4/c/1=100`,
		"an instance that numbers no flows has several": `
			a 1 p@h:1/u=100                   -> + p@h:1/a/1=100
			b 1 p@h:2/u=100                   -> + p@h:1/a/1=100 p@h:2/b/1=100`,
		"two contacts of a device in one request": `
			a 1 p@h:1/u/1=100 p@h:2/u/1=100   -> + p@h:1/a/1=100 p@h:2/a/1=100
			a 2 p@h:3/u/1=100 p@h:2/u/1=0     -> + p@h:3/a/2=100`,
		"a device at the address that another one had": `
			a 1 p@h:1/u/1=100                 -> + p@h:1/a/1=100
			b 1 p@h:2/v/1=100                 -> + p@h:1/a/1=100 p@h:2/b/1=100
			c 1 p@h:1/v/1=100                 -> + p@h:1/c/1=100`,
		"the successor of a phone that does not answer": `
			a 1 p@h:1=100 from:1              -> + p@h:1/a/1=100
			b 1 p@h:2=100 from:2              -> + p@h:1/a/1=100 p@h:2/b/1=100
			silent p@h:1
			b 2 p@h:2=100 from:2              -> + p@h:2/b/2=100`,
		"a phone that does not answer has no successor elsewhere, nor of another name": `
			a 1 p@h:1=100 from:1              -> + p@h:1/a/1=100
			silent p@h:1
			b 1 q@h:1=100 from:1              -> + p@h:1/a/1=100 q@h:1/b/1=100
			c 1 p@h:3/v=100 from:3            -> + p@h:1/a/1=100 p@h:3/c/1=100 q@h:1/b/1=100`,
		"room for a new one is that of who does not answer, the oldest first": `
			a 1 p@h=100 q@h=100 r@h=100       -> + p@h/a/1=100 q@h/a/1=100 r@h/a/1=100
			silent r@h
			silent q@h
			b 1 s@h=100                       -> + p@h/a/1=100 r@h/a/1=100 s@h/b/1=100
			b 2 t@h=100                       -> + p@h/a/1=100 s@h/b/1=100 t@h/b/2=100
			b 3 u@h=100                       -> 403`,
	} {
		t.Run(name, func(t *testing.T) { transcript(t, script) })
	}
}

func transcript(t *testing.T, script string) {
	g, now := &Registrar{history: newHistory()}, time.Now()
	lim := limits{min: 60, max: 7200, fallback: 3600, contacts: 3}
	var have []location.Binding
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		say, want, _ := strings.Cut(line, "->")
		if uri, ok := strings.CutPrefix(strings.TrimSpace(say), "silent "); ok {
			for i := range have {
				have[i].Unresponsive = have[i].Unresponsive || have[i].Contact == "sip:"+uri
			}
			continue
		}
		r := step(t, say)
		dec := decide(r, have, lim, now, func(callID []byte) (uint32, bool, bool) { return g.history.last("1", callID, now) })
		var got string
		if dec.fault != nil {
			got = fmt.Sprint(dec.fault.Code)
		} else {
			if dec.changed {
				g.remember(r, "1", have, &dec, now)
			}
			have = slices.Clone(dec.bindings)
			got = show(have, now)
			if dec.claim {
				got = "+ " + got
			}
		}
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Fatalf("%s: got %s", strings.TrimSpace(line), got)
		}
	}
}

func TestDecide_ALowCSeqCountsAgainAfterAWhile(t *testing.T) {
	g, now := &Registrar{history: newHistory()}, time.Now()
	g.history.add("1", "a", 50, now)
	lim := limits{max: 7200, fallback: 3600, contacts: 3}
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{31 * time.Second, false}, {32 * time.Second, true}} {
		then := now.Add(c.after)
		dec := decide(step(t, "a 1 p@h"), nil, lim, then, func(callID []byte) (uint32, bool, bool) { return g.history.last("1", callID, then) })
		if (dec.fault == nil) != c.ok {
			t.Errorf("after %v: %v", c.after, dec.fault)
		}
	}
}

// TestDecide_FewerContactsThanThereAre: the option was lowered. Who has more goes
// on refreshing them, and gets no other.
func TestDecide_FewerContactsThanThereAre(t *testing.T) {
	now, none := time.Now(), func([]byte) (uint32, bool, bool) { return 0, false, false }
	lim := limits{min: 60, max: 7200, fallback: 3600, contacts: 3}
	have := slices.Clone(decide(step(t, "a 1 p@h=100 q@h=100 r@h=100"), nil, lim, now, none).bindings)
	lim.contacts = 2
	for say, refused := range map[string]bool{"a 2 p@h=100 q@h=100 r@h=100": false, "a 2 q@h=100": false, "b 1 r@h=100": false, "b 1 s@h=100": true, "a 2 p@h=100 s@h=100": true} {
		dec := decide(step(t, say), have, lim, now, none)
		if (dec.fault == errContacts) != refused || !refused && (dec.fault != nil || len(dec.bindings) != 3) {
			t.Errorf("%s: %v, %s", say, dec.fault, show(dec.bindings, now))
		}
	}
}

func TestDecide_AContactThatWouldFillTheStoreIsRefused(t *testing.T) {
	now, none := time.Now(), func([]byte) (uint32, bool, bool) { return 0, false, false }
	r := step(t, "a 1 p@h")
	r.Path = [][]byte{make([]byte, maxStored)}
	if dec := decide(r, nil, limits{min: 60, max: 7200, fallback: 3600, contacts: 10}, now, none); dec.fault != errLong || dec.changed {
		t.Errorf("%+v", dec)
	}
}

func TestDecide_KeepsTheBeginningOfAUserAgent(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		agent string
		want  int
	}{
		{"", 0}, {"baresip 1.0", 11}, {strings.Repeat("a", 256), 256}, {strings.Repeat("a", 257), 256},
		{strings.Repeat("a", 2*maxStored), 256}, {strings.Repeat("a", 255) + "\u00fc", 255}, {strings.Repeat("\x80", 300), 0},
	} {
		r := step(t, "a 1 p@h=100")
		r.UserAgent = []byte(c.agent)
		d := decide(r, nil, limits{max: 7200, contacts: 1}, now, func([]byte) (uint32, bool, bool) { return 0, false, false })
		if d.fault != nil {
			t.Errorf("%d bytes: %v", len(c.agent), d.fault)
			continue
		}
		if got := d.bindings[0].UserAgent; got != c.agent[:c.want] {
			t.Errorf("%d bytes: %d are kept, want %d", len(c.agent), len(got), c.want)
		}
	}
}

// TestDecide_AnHourIsLongEnough whatever the shortest lifetime is (RFC 3261 §10.3).
func TestDecide_AnHourIsLongEnough(t *testing.T) {
	for _, x := range []struct{ min, max, asks, granted int64 }{ // granted 0: 423
		{60, 7200, 60, 60}, {60, 7200, 59, 0}, {60, 7200, 1, 0}, {7200, 9000, 3599, 0}, {7200, 9000, 3600, 3600}, {7200, 9000, 7199, 7199}, {60, 7200, 7201, 7200}, {60, 7200, 1 << 40, 7200}, {60, 7200, -1, 600},
	} {
		lim := limits{min: x.min, max: x.max, fallback: 600}
		if life, fault := lim.life(&Request{Expires: -1}, &contact{expires: x.asks}); life != x.granted || (fault == errBrief) != (x.granted == 0) {
			t.Errorf("%+v: granted %d, %v", x, life, fault)
		}
	}
}
