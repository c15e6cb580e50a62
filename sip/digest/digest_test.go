package digest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestMatches has the example of RFC 7616 §3.9.1.
func TestMatches_RFC7616(t *testing.T) {
	for alg, response := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		ha1 := string(alg.appendHash(nil, []byte("Mufasa:http-auth@example.org:Circle of Life")))
		value := `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` + alg.String() +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="` + response + `"`
		var c Credentials
		if !c.Parse([]byte(value)) || !c.matches(alg, []byte("GET"), ha1) {
			t.Errorf("%v: the RFC's own example is refused", alg)
		}
		if c.matches(1-alg, []byte("GET"), ha1) || c.matches(alg, []byte("PUT"), ha1) {
			t.Errorf("%v: another algorithm or method is accepted", alg)
		}
	}
}

func TestParse(t *testing.T) {
	good := `DIGEST  realm=r , username = "u",nonce="n", uri="sip:a",response=abc,, opaque="x=,y"`
	var c Credentials
	if !c.Parse([]byte(good)) || string(c.Username) != "u" || string(c.Realm) != "r" || string(c.Response) != "abc" || c.QOP != nil {
		t.Errorf("%+v", c)
	}
	for _, bad := range []string{"", "Digest", "Basic abc", `Digest username="u"`, `Digest username="u`, good + `, nonce="again"`,
		strings.Replace(good, `"u"`, `"u\"`, 1), "Digest =", good + ", qop"} {
		if c.Parse([]byte(bad)) {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// phone answers challenges.
type phone struct {
	t     *testing.T
	s     *Server
	nonce string
}

const ha1 = "0123456789abcdef0123456789abcdef"

func (p *phone) challenge() {
	v := string(p.s.AppendChallenge(nil, "r", MD5, false, netip.Addr{}))
	_, rest, _ := strings.Cut(v, `nonce="`)
	p.nonce, _, _ = strings.Cut(rest, `"`)
}

// try answers with a nonce count, 0 for none.
func (p *phone) try(nc int, print uint32) Verdict {
	hash := func(s string) string { return string(MD5.appendHash(nil, []byte(s))) }
	ha2 := hash("REGISTER:sip:r")
	value := fmt.Sprintf(`Digest username="u", realm="r", nonce="%s", uri="sip:r"`, p.nonce)
	if nc == 0 {
		value += fmt.Sprintf(`, response="%s"`, hash(ha1+":"+p.nonce+":"+ha2))
	} else {
		value += fmt.Sprintf(`, qop=auth, nc=%08x, cnonce="c", response="%s"`, nc, hash(fmt.Sprintf("%s:%s:%08x:c:auth:%s", ha1, p.nonce, nc, ha2)))
	}
	var c Credentials
	if !c.Parse([]byte(value)) {
		p.t.Fatal(value)
	}
	return p.s.Check(&c, &Request{Method: []byte("REGISTER"), Print: print}, ha1, MD5)
}

func TestCheck_NonceCount(t *testing.T) {
	p := &phone{t: t, s: New(Config{})}
	p.challenge()
	for i, c := range []struct {
		nc    int
		print uint32
		want  Verdict
	}{{1, 7, OK}, {1, 7, OK}, {1, 8, Stale}, {2, 8, OK}, {1, 7, Stale}, {9, 1, OK}, {8, 1, Stale}, {0, 1, Stale}, {1 << 21, 1, Stale}, {10, 2, OK}} {
		if got := p.try(c.nc, c.print); got != c.want {
			t.Errorf("step %d, nc %d: %v, want %v", i, c.nc, got, c.want)
		}
	}
	p.challenge()
	for i, c := range []struct {
		nc    int
		print uint32
		want  Verdict
	}{{0, 7, OK}, {0, 7, OK}, {0, 8, Stale}, {1, 9, Stale}} {
		if got := p.try(c.nc, c.print); got != c.want {
			t.Errorf("without qop, step %d: %v, want %v", i, got, c.want)
		}
	}
}

func TestCheck_NoncesAgeAndAreOurs(t *testing.T) {
	now := time.Now()
	p := &phone{t: t, s: New(Config{Now: func() time.Time { return now }})}
	p.challenge()
	now = now.Add(299 * time.Second)
	if got := p.try(1, 1); got != OK {
		t.Error(got)
	}
	now = now.Add(time.Second)
	if got := p.try(2, 2); got != Stale {
		t.Error(got)
	}
	p.challenge()
	p.nonce = p.nonce[:5] + "x" + p.nonce[6:]
	if got := p.try(1, 1); got != Stale {
		t.Errorf("a forged nonce: %v", got)
	}
	other := &phone{t: t, s: New(Config{})}
	other.challenge()
	p.nonce = other.nonce
	if got := p.try(1, 1); got != Stale {
		t.Errorf("another node's nonce: %v", got)
	}
}

func TestCheck_TheRingForgetsTheOldest(t *testing.T) {
	p := &phone{t: t, s: New(Config{Slots: 4})}
	p.challenge()
	first := p.nonce
	for range 4 {
		p.challenge()
	}
	if got := p.try(1, 1); got != OK {
		t.Error(got)
	}
	p.nonce = first
	if got := p.try(1, 1); got != Stale {
		t.Errorf("a nonce whose slot is taken: %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`Digest username="u", realm="r", nonce="n", uri="sip:r", qop=auth, nc=00000001, cnonce="c", response="00"`))
	s := New(Config{Slots: 16})
	f.Fuzz(func(t *testing.T, v []byte) {
		var c Credentials
		if c.Parse(v) && s.Check(&c, &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5) == OK {
			t.Fatalf("accepted: %q", v)
		}
	})
}
