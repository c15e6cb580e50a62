package wire

import (
	"bytes"
	"hash/maphash"
	"testing"
	"time"
)

// TestPending_ALostAnswerIsForgotten: what sipgo never answers neither blocks
// its repetition nor fills the connection for ever.
func TestPending_ALostAnswerIsForgotten(t *testing.T) {
	p := newPending(maphash.MakeSeed())
	now := time.Now()
	request := func(i int) []byte {
		return bytes.ReplaceAll([]byte("OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKn\r\nCSeq: 1 OPTIONS\r\n\r\n"), []byte("bKn"), []byte{'b', 'K', byte('0' + i)})
	}
	for i := range MaxUnanswered {
		if !p.add(request(i), now) || p.add(request(i), now.Add(lostAnswer-1)) {
			t.Fatal(i)
		}
	}
	if !p.full(now.Add(lostAnswer - 1)) {
		t.Error("there is room")
	}
	if !p.add(request(3), now.Add(lostAnswer)) {
		t.Error("a repetition after the answer was lost is dropped")
	}
	if p.full(now.Add(lostAnswer)) || p.len() != 1 {
		t.Errorf("%d requests wait for answers", p.len())
	}
}
