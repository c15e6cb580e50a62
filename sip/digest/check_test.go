package digest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answer is what a phone makes of a challenge: the response is right for
// whatever the parameters are.
func answer(a Algorithm, method, ha1 string, p map[string]string) *Credentials {
	hash := func(s string) string { return string(a.appendHash(nil, []byte(s))) }
	all := map[string]string{"username": "u", "realm": "r", "uri": "sip:r"}
	maps.Copy(all, p)
	if all["response"] == "" {
		middle := ""
		if qop, ok := all["qop"]; ok {
			middle = all["nc"] + ":" + all["cnonce"] + ":" + qop + ":"
		}
		all["response"] = hash(ha1 + ":" + all["nonce"] + ":" + middle + hash(method+":"+all["uri"]))
	}
	value := "Digest "
	for k, v := range all {
		if v != "(none)" {
			value += fmt.Sprintf("%s=%q, ", k, v)
		}
	}
	var c Credentials
	if !c.Parse([]byte(value)) {
		panic("unreadable: " + value)
	}
	return &c
}

func nonceOf(s *Server) string {
	_, rest, _ := strings.Cut(string(s.AppendChallenge(nil, "r", MD5, false, netip.Addr{})), `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	return nonce
}

func TestAppendChallenge_SaysWhatAPhoneNeeds(t *testing.T) {
	s := New(Config{})
	for _, c := range []struct {
		a     Algorithm
		stale bool
		want  string
	}{
		{MD5, false, `Digest realm="example.org", nonce="N", algorithm=MD5, qop="auth"`},
		{MD5, true, `Digest realm="example.org", nonce="N", algorithm=MD5, qop="auth", stale=true`},
		{SHA256, false, `Digest realm="example.org", nonce="N", algorithm=SHA-256, qop="auth"`},
	} {
		got := string(s.AppendChallenge([]byte("before "), "example.org", c.a, c.stale, netip.Addr{}))
		before, rest, _ := strings.Cut(got, `nonce="`)
		nonce, after, _ := strings.Cut(rest, `"`)
		if got := before + `nonce="N"` + after; got != "before "+c.want || len(nonce) != 27 {
			t.Errorf("%q with nonce %q, want %q", got, nonce, c.want)
		}
	}
}

func TestCheck_WhatCredentialsMustBe(t *testing.T) {
	for _, c := range []struct {
		name string
		give map[string]string
		want Verdict
	}{
		{"as a phone writes them", nil, OK},
		{"algorithm named", map[string]string{"algorithm": "md5"}, OK},
		{"algorithm of another challenge", map[string]string{"algorithm": "SHA-256"}, Unfit},
		{"algorithm nobody knows", map[string]string{"algorithm": "MD5-sess"}, Unfit},
		{"qop in capitals", map[string]string{"qop": "AUTH"}, OK},
		{"another qop", map[string]string{"qop": "auth-int"}, Unfit},
		{"count with letters", map[string]string{"nc": "000000aF"}, OK},
		{"count with the last letters", map[string]string{"nc": "00000FFf"}, OK},
		{"count beyond hex", map[string]string{"nc": "0000000g"}, Unfit},
		{"count before a", map[string]string{"nc": "0000000@"}, Unfit},
		{"count after 9", map[string]string{"nc": "0000000:"}, Unfit},
		{"count before 0", map[string]string{"nc": "0000000/"}, Unfit},
		{"count of nothing", map[string]string{"nc": "00000000"}, Unfit},
		{"count too short", map[string]string{"nc": "0000001"}, Unfit},
		{"count too long", map[string]string{"nc": "000000001"}, Unfit},
		{"no count", map[string]string{"nc": ""}, Unfit},
		{"no cnonce", map[string]string{"cnonce": ""}, Unfit},
		{"another user's response", map[string]string{"response": strings.Repeat("0", 32)}, Wrong},
		{"response too short", map[string]string{"response": "0"}, Wrong},
		{"response of the longer hash", map[string]string{"response": strings.Repeat("0", 64)}, Wrong},
		{"response far too long", map[string]string{"response": strings.Repeat("0", 999)}, Wrong},
		{"a nonce one too short", map[string]string{"nonce": strings.Repeat("A", nonceLen-1)}, Stale},
		{"a nonce one too long", map[string]string{"nonce": strings.Repeat("A", nonceLen+1)}, Stale},
		{"a nonce that is no base64", map[string]string{"nonce": strings.Repeat("~", nonceLen)}, Stale},
		{"an empty nonce", map[string]string{"nonce": ""}, Stale},
	} {
		s := New(Config{})
		p := map[string]string{"nonce": nonceOf(s), "qop": "auth", "nc": "00000001", "cnonce": "c"}
		maps.Copy(p, c.give)
		if got := s.Check(answer(MD5, "REGISTER", ha1, p), &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCheck_TheResponseMayBeInCapitals(t *testing.T) {
	s := New(Config{})
	p := map[string]string{"nonce": nonceOf(s), "qop": "auth", "nc": "00000001", "cnonce": "c"}
	for cnonce := range 16 { // all digits occur
		p["cnonce"], p["nc"] = fmt.Sprint(cnonce), fmt.Sprintf("%08x", cnonce+1)
		c := answer(MD5, "REGISTER", ha1, p)
		c.Response = []byte(strings.ToUpper(string(c.Response)))
		if got := s.Check(c, &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5); got != OK {
			t.Errorf("%s: %v", c.Response, got)
		}
	}
}

func TestCheck_BoundsWhatItHashes(t *testing.T) {
	for _, c := range []struct {
		uri, method int
		want        Verdict
	}{{708, 64, OK}, {709, 64, Unfit}, {708, 65, Unfit}, {60000, 8, Unfit}} {
		s := New(Config{})
		uri, method := strings.Repeat("u", c.uri), strings.Repeat("M", c.method)
		p := map[string]string{"nonce": nonceOf(s), "qop": "auth", "nc": "00000001", "cnonce": "c", "uri": uri}
		if got := s.Check(answer(MD5, method, ha1, p), &Request{Method: []byte(method), Print: 1}, ha1, MD5); got != c.want {
			t.Errorf("URI of %d, method of %d: %v, want %v", c.uri, c.method, got, c.want)
		}
	}
}

// TestCheck_AWrongPasswordUsesNothingUp: somebody who guesses can't take the
// count that the phone will use.
func TestCheck_AWrongPasswordUsesNothingUp(t *testing.T) {
	s := New(Config{})
	p := map[string]string{"nonce": nonceOf(s), "qop": "auth", "nc": "00000001", "cnonce": "c"}
	other := strings.Repeat("f", 32)
	for _, bad := range []*Credentials{answer(MD5, "REGISTER", other, p), answer(MD5, "INVITE", ha1, p)} {
		if got := s.Check(bad, &Request{Method: []byte("REGISTER"), Print: 9}, ha1, MD5); got != Wrong {
			t.Errorf("got %v", got)
		}
	}
	if got := s.Check(answer(MD5, "REGISTER", ha1, p), &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5); got != OK {
		t.Errorf("got %v", got)
	}
}

// TestCheck_NobodyTriesInAnothersName: a password is looked at only when the nonce was
// given to where the request comes from, and is young, and ours.
func TestCheck_NobodyTriesInAnothersName(t *testing.T) {
	now := time.Now()
	s := New(Config{Now: func() time.Time { return now }})
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	nonceFor := func(a netip.Addr) string {
		_, rest, _ := strings.Cut(string(s.AppendChallenge(nil, "r", MD5, false, a)), `nonce="`)
		nonce, _, _ := strings.Cut(rest, `"`)
		return nonce
	}
	old := nonceFor(here)
	now = now.Add(Life)
	other := strings.Repeat("f", 32)
	for _, c := range []struct {
		name, nonce, ha1 string
		want             Verdict
	}{
		{"its own, right", nonceFor(here), ha1, OK},
		{"its own, wrong", nonceFor(here), other, Wrong},
		{"another's, right", nonceFor(there), ha1, Stale},
		{"another's, wrong", nonceFor(there), other, Stale},
		{"nobody's, wrong", nonceFor(netip.Addr{}), other, Stale},
		{"an old one, right", old, ha1, Stale},
		{"an old one, wrong", old, other, Stale},
	} {
		p := map[string]string{"nonce": c.nonce, "qop": "auth", "nc": "00000001", "cnonce": "c"}
		if got := s.Check(answer(MD5, "REGISTER", c.ha1, p), &Request{Method: []byte("REGISTER"), Source: here, Print: 1}, ha1, MD5); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestNonce_IsSigned: it tells its age and its index, and its MAC is one server's.
func TestNonce_IsSigned(t *testing.T) {
	now := time.Now()
	s, other := New(Config{Now: func() time.Time { return now }}), New(Config{})
	now = now.Add(7 * time.Second)
	nonceOf(s)
	raw, err := base64.RawURLEncoding.DecodeString(nonceOf(s))
	if err != nil || binary.BigEndian.Uint32(raw) != 7 || binary.BigEndian.Uint32(raw[4:]) != 2 {
		t.Fatal(raw, err)
	}
	again, foreign := [nonceRaw]byte(raw), [nonceRaw]byte(raw)
	s.sign(&again, netip.Addr{})
	other.sign(&foreign, netip.Addr{})
	if again != [nonceRaw]byte(raw) || bytes.Equal(foreign[8:], raw[8:]) {
		t.Errorf("%x is signed %x, by another server %x", raw[:8], again[8:], foreign[8:])
	}
}

func TestCheck_NobodyMakesANonce(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	s, other := New(Config{Now: clock}), New(Config{Now: clock})
	try := func(nonce string) Verdict {
		c := answer(MD5, "REGISTER", ha1, map[string]string{"nonce": nonce, "qop": "auth", "nc": "00000001", "cnonce": "c"})
		return s.Check(c, &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5)
	}
	first, second := nonceOf(s), nonceOf(s)
	if got := try(nonceOf(other)); got != Stale {
		t.Errorf("another server's nonce: %v", got)
	}
	good, _ := base64.RawURLEncoding.DecodeString(first)
	for i := range good {
		forged := append([]byte(nil), good...)
		forged[i] ^= 1
		if i == 7 {
			forged[i] ^= 2 // 1 becomes 2: the second nonce's
		}
		if got := try(base64.RawURLEncoding.EncodeToString(forged)); got != Stale {
			t.Errorf("byte %d changed: %v", i, got)
		}
	}
	last := first[:nonceLen-1] + string(first[nonceLen-1]+1) // bits that say nothing
	if got := try(last); got != Stale {
		t.Errorf("the same nonce written otherwise: %v", got)
	}
	if a, b := try(first), try(second); a != OK || b != OK {
		t.Errorf("the nonces themselves: %v, %v", a, b)
	}
}

func TestConfig_SlotsAreRoundedUp(t *testing.T) {
	for _, c := range []struct{ slots, want int }{{0, 1 << 20}, {1, 1}, {4, 4}, {5, 8}, {1 << 26, 1 << 24}} {
		if got := len(New(Config{Slots: c.slots}).slots); got != c.want {
			t.Errorf("%d: %d slots, want %d", c.slots, got, c.want)
		}
	}
}

// TestUse_OneOfManyAtOnce: a replay that races with the request itself gains nothing.
func TestUse_OneOfManyAtOnce(t *testing.T) {
	s := New(Config{Slots: 1})
	nonceOf(s)
	for nc := uint32(1); nc <= 2000; nc++ {
		var won atomic.Int32
		var wg sync.WaitGroup
		for print := range uint32(4) {
			wg.Go(func() {
				if s.use(1, nc, print) {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("count %d passed %d times", nc, n)
		}
	}
}
