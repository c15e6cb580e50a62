package sip

import (
	"encoding/hex"
	"net"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// TestSTUN_IsAnsweredBesideSIP: a phone's Binding request over UDP is answered with where it
// comes from, and so is the OPTIONS after it.
func TestSTUN_IsAnsweredBesideSIP(t *testing.T) {
	w := newWorld(t, nil).run()
	c, err := net.Dial("udp", w.server.UDPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	port := c.LocalAddr().(*net.UDPAddr).Port
	// 127.0.0.1 and the port, masked by the cookie.
	want := "0101000c2112a44274726165736163746965732100200008" + "0001" + hex.EncodeToString([]byte{byte(port>>8) ^ 0x21, byte(port) ^ 0x12}) + "5e12a443"
	request, _ := hex.DecodeString("000100002112a442747261657361637469657321")
	got := make([]byte, 1500)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience.Limit))
	n, err := c.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	if text := hex.EncodeToString(got[:n]); text != want {
		t.Errorf("answered %s, want %s", text, want)
	}
	if res := w.dial("udp").ask("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKstun\r\nMax-Forwards: 70\r\nFrom: <sip:x@h>;tag=1\r\nTo: <sip:" + testRealm + ">\r\nCall-ID: stun\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"); res.code != 200 {
		t.Errorf("OPTIONS is answered %d", res.code)
	}
}
