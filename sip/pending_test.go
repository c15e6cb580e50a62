package sip

import (
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestFlow_ARepeatedRequestCountsOnce sends a REGISTER again and again while
// its answer is held back. sipgo answers it once, and then the connection has
// room for others.
func TestFlow_ARepeatedRequestCountsOnce(t *testing.T) {
	held, hold := new(atomic.Bool), make(chan struct{})
	w := newWorld(t, func(c *Config) {
		c.Draining = func() bool {
			if held.Load() {
				patience.Ended("the answer is let go", func() { <-hold })
			}
			return false
		}
	})
	w.put(phoneDN("1001"))
	w.run()
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	l := w.dial("tcp")
	r := reg{dn: "1001", callID: "c", cseq: 1, transport: "TCP", headers: []string{"Contact: <sip:a@b>"}}.String()
	query := reg{dn: "1001", callID: "q", cseq: 1, transport: "TCP"}.String() // asks nobody who drains
	held.Store(true)
	l.send(strings.Repeat(r, 2*wire.MaxUnanswered))
	l.send(query)
	if res := l.final(); res == nil || res.get("Call-ID") != "q" {
		t.Fatalf("the REGISTER was answered already: %+v", res)
	}
	until(t, "only the REGISTER waits for its answer", func() bool { return w.server.Held()["sip_unanswered"] == 1 })
	held.Store(false)
	release()
	if res := l.final(); res == nil || res.code != 401 {
		t.Fatal(res)
	}
	until(t, "nothing waits", func() bool { return w.server.Held()["sip_unanswered"] == 0 })
	again := strings.ReplaceAll(query, "branch=z9hG4bK", "branch=z9hG4bKb")
	l.send(again)
	if res := l.final(); res == nil || res.get("Call-ID") != "q" {
		t.Errorf("the REGISTER was answered twice: %+v", res)
	}
}

// TestPending_AnswersHaveTheKeyOfTheirRequest compares what goes to sipgo with
// what sipgo writes as the answer.
func TestPending_AnswersHaveTheKeyOfTheirRequest(t *testing.T) {
	w := newWorld(t, nil)
	seed := maphash.MakeSeed()
	check := func(name string, data []byte) (key uint64) {
		var a wire.Arrival
		w.server.gate.check(arriving(&a, data, localSource, location.TCP))
		if len(a.Tidy) == 0 || !a.Msg.IsRequest() {
			return 0
		}
		msg, err := w.server.gate.parser.ParseSIP(a.Tidy)
		if err != nil {
			t.Fatal(err)
		}
		key = wire.TransactionKey(seed, a.Tidy)
		if answer := response(msg.(*sip.Request), &answer.Answer{Code: 200, Reason: "OK"}, w.server.cfg.tagSeed).String(); wire.TransactionKey(seed, []byte(answer)) != key {
			t.Errorf("%s: another key\n%s\n%s", name, a.Tidy, answer)
		}
		return key
	}
	files, _ := filepath.Glob("testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check(file, data)
	}
	request := func(via, cseq string) []byte {
		return []byte("OPTIONS sip:127.0.0.1 SIP/2.0\r\nv: " + via + "\r\nf: <sip:a@b>;tag=1\r\nt: <sip:b@c>\r\ni: s\r\nCSeq: " + cseq + "\r\nl: 0\r\n\r\n")
	}
	keys := map[uint64]string{}
	for _, via := range []string{
		"SIP/2.0/TCP h;branch=z9hG4bKa", "SIP/2.0/TCP h:5061;rport;branch=z9hG4bKa", "SIP / 2.0 / TCP  [2001:db8::1]:5070 ; BRANCH = z9hG4bKa",
		"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKb;x=\"a;b\"", "SIP/2.0/TCP h;branch=1", "SIP/2.0/TCP h",
	} {
		key := check(via, request(via, "007 OPTIONS"))
		if was, ok := keys[key]; ok || key == 0 {
			t.Errorf("%s: key %d, also of %s", via, key, was)
		}
		keys[key] = via
	}
	same := check("port", request("SIP/2.0/TCP h:05060;branch=z9hG4bKa", "8 OPTIONS"))
	if keys[same] != "SIP/2.0/TCP h;branch=z9hG4bKa" {
		t.Error("5060 is the port of a Via without one, and a branch is in one transaction only")
	}
	if old := check("old", request("SIP/2.0/TCP h;branch=1", "8 OPTIONS")); keys[old] != "" {
		t.Error("a branch of RFC 2543 is in many transactions")
	}
}
