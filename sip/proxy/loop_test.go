package proxy

import (
	"bytes"
	"hash/maphash"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

var testSeed = maphash.MakeSeed()

func TestLoopMark_ChangesWithWhatDecides(t *testing.T) {
	parse := func(text string) *message.Message {
		var m message.Message
		if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
			t.Fatal(err, m.Fault)
		}
		return &m
	}
	const base = "INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	seed := testSeed
	mark := loopMark(seed, parse(base))
	same := loopMark(seed, parse("INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP other;branch=z9hG4bKb\r\n"+base[bytes.Index([]byte(base), []byte("Via")):]))
	if same != mark {
		t.Error("another Via is another mark: no loop would be found")
	}
	if other := loopMark(seed, parse("INVITE sip:y@h"+base[len("INVITE sip:x@h"):])); other == mark {
		t.Error("a spiral is taken for a loop")
	}
}
