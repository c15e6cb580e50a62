package dn

import "testing"

func TestMedia_Fits(t *testing.T) {
	for _, c := range []struct {
		a, b Media
		want Fit
	}{
		{RTP, RTP, Together}, {RTP, SRTP, Apart}, {RTP, DTLS, Apart}, {SRTP, DTLS, Apart}, {RTP | SRTP, SRTP, Together}, {DTLS, DTLS, Together},
		{0, DTLS, Unsaid}, {0, 0, Unsaid},
	} {
		if c.a.Fits(c.b) != c.want || c.b.Fits(c.a) != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, c.a.Fits(c.b), c.want)
		}
	}
	if got := (RTP | DTLS).String(); got != "RTP or DTLS-SRTP" {
		t.Error(got)
	}
}

// What a DN's phone speaks is what it said last, or what phones of its kind speak; a refresh
// keeps what was said, a phone of another kind does not. Peers know it by the record.
func TestTable_KnowsTheMedia(t *testing.T) {
	tab, peer := New(Config{Self: "a", Incarnation: 1}), New(Config{Self: "b", Incarnation: 1})
	c, err := peer.Sync("a", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Synced(1); err != nil || !peer.SetHeard("a", true) {
		t.Fatal(err)
	}
	seq := uint64(1)
	speaks := func(when string, want Media) {
		t.Helper()
		here, _ := tab.Get("1")
		rec, _ := tab.Own("1")
		seq++
		if bad, err := c.Apply([]Record{rec}, seq); bad > 0 || err != nil {
			t.Fatal(when, bad, err)
		}
		if there, _ := peer.Get("1"); here.Media != want || there.Media != want {
			t.Errorf("%s: %q here, %q at the peer, want %q", when, here.Media, there.Media, want)
		}
	}
	tab.Speaks("1", DTLS) // nobody is there
	tab.Register("1", Registered)
	speaks("unknown", 0)
	tab.RegisterPhone("1", Registered, Way{}, RTP)
	speaks("by its kind", RTP)
	before, _ := tab.Own("1")
	tab.Speaks("1", SRTP)
	speaks("as it said", SRTP)
	if after, _ := tab.Own("1"); after.Seq != before.Seq || after.ClaimTime != before.ClaimTime || after.Since != before.Since {
		t.Errorf("%+v, then %+v", before, after)
	}
	tab.RegisterPhone("1", Registered, Way{}, RTP)
	speaks("after a refresh", SRTP)
	tab.RegisterPhone("1", Registered, Way{}, DTLS)
	speaks("another phone", DTLS)
	rec, _ := tab.Own("1")
	tab.End("1", rec.ClaimTime, Unregistered)
	tab.Speaks("1", SRTP)
	if rec, _ = tab.Own("1"); rec.Spoken.Said != 0 {
		t.Error("nobody is there, and speaks", rec.Spoken.Said)
	}
}
