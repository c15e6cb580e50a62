package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestWording_CredentialsAreThoseOfRFC2617(t *testing.T) {
	w := newWording("bench.test", "127.0.0.1:5062", "x", 600)
	p := &phone{number: "2000", ha1: ha1("2000", "bench.test")}
	w.register(3, p, []byte("abc"))
	// HA1 and HA2 by hand: md5(2000:bench.test:secret), md5(REGISTER:sip:bench.test).
	want := string(hexMD5(nil, fmt.Appendf(nil, "%s:abc:00000001:c0ffee:auth:%s",
		hexMD5(nil, []byte("2000:bench.test:secret")), hexMD5(nil, []byte("REGISTER:sip:bench.test")))))
	if text := string(p.out); !strings.Contains(text, `response="`+want+`"`) || !strings.HasSuffix(text, "\r\n\r\n") {
		t.Errorf("want response %s in\n%s", want, text)
	}
}

func TestParseReply(t *testing.T) {
	head := "Via: SIP/2.0/UDP 127.0.0.1\r\nCall-ID: 17-n1.5\r\nCSeq: 4 REGISTER\r\n"
	for _, c := range []struct {
		text string
		want reply
		ok   bool
	}{
		{"SIP/2.0 200 OK\r\n" + head + "\r\n", reply{17, 4, 200, nil}, true},
		{"SIP/2.0 401 Unauthorized\r\n" + head + "WWW-Authenticate: Digest realm=\"r\", nonce=\"n0\"\r\n\r\n", reply{17, 4, 401, []byte("n0")}, true},
		{"SIP/2.0 100 Trying\r\n" + head + "\r\n", reply{}, false},
		{"SIP/2.0 200 OK\r\n\r\n", reply{}, false},
		{"OPTIONS sip:x SIP/2.0\r\n", reply{}, false},
		{"", reply{}, false},
	} {
		got, ok := parseReply([]byte(c.text))
		if ok != c.ok || ok && fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: %v %v", c.text, got, ok)
		}
	}
}

// registrar answers 401 to a REGISTER without credentials and 200 to one with
// them, but drops every drop-th datagram.
func registrar(t *testing.T, drop int) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 4096)
		for i := 1; ; i++ {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if drop > 0 && i%drop == 0 {
				continue
			}
			line := "401 Unauthorized\r\nWWW-Authenticate: Digest nonce=\"abc\""
			if strings.Contains(string(b[:n]), "\r\nAuthorization: ") {
				line = "200 OK"
			}
			answer := fmt.Sprintf("SIP/2.0 %s\r\nCall-ID: %s\r\nCSeq: %s\r\n\r\n", line, header(b[:n], "\r\nCall-ID:"), header(b[:n], "\r\nCSeq:"))
			_, _ = conn.WriteToUDPAddrPort([]byte(answer), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func testFleet(t *testing.T, to netip.AddrPort, phones int) *fleet {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{to: to, conn: conn, open: make(map[int]bool), release: make(chan struct{}, window), ended: make(chan struct{})}
	f.words = newWording("bench.test", conn.LocalAddr().String(), "t", 600)
	for _, n := range numbers(2000, phones) {
		f.phones = append(f.phones, phone{number: n, ha1: ha1(n, "bench.test")})
	}
	go f.receive()
	t.Cleanup(f.close)
	return f
}

func TestFleet_RegistersEveryPhone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range []struct{ phones, count, rate, drop int }{{100, 300, 0, 0}, {10, 200, 0, 0}, {100, 100, 2000, 0}, {60, 60, 0, 25}} {
		f := testFleet(t, registrar(t, c.drop), c.phones)
		o, err := f.run(ctx, 0, c.count, c.rate)
		if err != nil || o.accepted < min(c.phones, c.count) || o.accepted > c.count || o.failed != 0 || o.resent == 0 && c.drop > 0 { // a busy machine has some sent again, too
			t.Errorf("%+v: %+v, %v", c, o, err)
		}
		if span := time.Duration(max(c.count-1, 0)) * time.Second; c.rate > 0 && o.took < span/time.Duration(c.rate) {
			t.Errorf("%+v: took %v only", c, o.took)
		}
	}
}

// A node that is down answers nobody, however often it is tried.
func TestFleet_WhatIsNotAnsweredIsNoRegistration(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	f := testFleet(t, conn.LocalAddr().(*net.UDPAddr).AddrPort(), 1)
	for range 2 {
		once, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if o, err := f.run(once, 0, 1, 0); err == nil {
			t.Errorf("%+v without an answer", o)
		}
		cancel()
	}
	f.to = registrar(t, 0)
	if o, err := f.run(t.Context(), 0, 1, 0); err != nil || o.accepted != 1 {
		t.Errorf("answered: %+v, %v", o, err)
	}
}

func TestFleet_CountsPhonesThatAreRefused(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			answer := fmt.Sprintf("SIP/2.0 403 Forbidden\r\nCall-ID: %s\r\nCSeq: %s\r\n\r\n", header(b[:n], "\r\nCall-ID:"), header(b[:n], "\r\nCSeq:"))
			_, _ = conn.WriteToUDPAddrPort([]byte(answer), from)
		}
	}()
	f := testFleet(t, conn.LocalAddr().(*net.UDPAddr).AddrPort(), 5)
	if o, err := f.run(t.Context(), 0, 5, 0); err != nil || o.failed != 5 || o.accepted != 0 || !strings.Contains(o.why, "403") {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestQuantile(t *testing.T) {
	samples := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(samples, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := quantile([]float64{}, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestReport_Verdicts(t *testing.T) {
	r := newReport()
	r.below("a", "good", 1, "ms", 10, 2)
	r.below("a", "fair", 5, "ms", 10, 2)
	r.below("a", "bad", 10, "ms", 10, 2)
	r.skipped("b", "cut", "root")
	r.failed("c", context.Canceled)
	var got []string
	for _, f := range r.Figures {
		got = append(got, f.Verdict)
	}
	if want := "[aim ok MISSED SKIPPED FAILED]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	path := t.TempDir() + "/bench.json"
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	if table := r.table(); !strings.Contains(table, "needs root") || strings.Contains(table, fmt.Sprint(math.MaxFloat64)) {
		t.Error(table)
	}
}
