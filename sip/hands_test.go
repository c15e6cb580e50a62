package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestHands_WhatBelongsToACallStaysInOrder though many serve what one source sends: of each
// call the CANCEL, which comes right behind its INVITE, finds that.
func TestHands_WhatBelongsToACallStaysInOrder(t *testing.T) {
	const calls, burst = 300, 20
	w := callWorld(t, func(c *Config) { c.hands = 8 }, "1001")
	w.outcomes = make(chan proxy.Outcome, calls)
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "127.0.0.2:5060", Prefix: "+"}})
	until(t, "the trunk is known", func() bool {
		n, _ := w.server.proxy.Trunk(mustAddrPort("127.0.0.2:5060"), location.UDP)
		return n == "9000"
	})
	w.ua("udp", "1001") // which says nothing
	c, err := w.connectFrom("udp", "127.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	heard := map[string]string{} // answers to CANCELs by Call-ID
	buf := make([]byte, 4096)
	hear := func(wait time.Duration) {
		for c.SetReadDeadline(time.Now().Add(wait)) == nil {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			first, rest, _ := strings.Cut(string(buf[:n]), "\r\n")
			if strings.Contains(rest, "CSeq: 1 CANCEL") {
				_, id, _ := strings.Cut(rest, "Call-ID: ")
				id, _, _ = strings.Cut(id, "\r\n")
				heard[id] = first
			}
		}
	}
	for i := range calls {
		for _, method := range []string{"INVITE", "CANCEL"} {
			text := fmt.Sprintf("%s sip:1001@%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:+1@127.0.0.2>;tag=a\r\nTo: <sip:1001@%[2]s>\r\n"+
				"Call-ID: hands%[3]d\r\nCSeq: 1 %[1]s\r\nContact: <sip:+1@127.0.0.2>\r\nContent-Length: 0\r\n\r\n", method, testRealm, i)
			if _, err := c.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if (i+1)%burst == 0 { // the kernel has room for that many answers
			patience.Until(t, "all are answered", func() bool {
				hear(10 * time.Millisecond)
				return len(heard) == i+1
			})
		}
	}
	for i := range calls {
		if got := heard[fmt.Sprint("hands", i)]; got != "SIP/2.0 200 OK" {
			t.Errorf("the CANCEL of call %d got %q", i, got)
		}
	}
}
