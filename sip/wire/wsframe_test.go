package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// FuzzFrames: whatever comes, in whatever pieces, gives the same messages, no
// more memory than the limit, and no panic.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{
		siptest.ClientFrame(0x81, "hello"), siptest.ClientFrame(1, "he") + siptest.ClientFrame(0x89, "x") + siptest.ClientFrame(0x80, "llo"), siptest.ClientFrame(0x88, "\x03\xe8"),
		siptest.ClientFrame(0x82, strings.Repeat("x", 200)), "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "\x81\xfe\x00\x05", siptest.ClientFrame(0x81, "\xff"),
	} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s+s), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		whole := readFrames(t, bytes.Clone(data), len(data)+1)
		if parts := readFrames(t, bytes.Clone(data), int(step)+1); whole != parts {
			t.Errorf("at once %q, in pieces %q", whole, parts)
		}
	})
}

// readFrames tells what a WebSocket says whose bytes come in steps.
func readFrames(t *testing.T, data []byte, step int) (said string) {
	r := &frames{limit: 300}
	var buf []byte
	for len(data) > 0 {
		n := min(step, len(data))
		buf, data = append(buf, data[:n]...), data[n:]
		for {
			kind, payload, n, err := r.next(buf)
			if err != nil {
				return said + err.Error()
			}
			if n == 0 {
				break
			}
			if len(payload) > r.limit || len(r.partial) > r.limit || kind == WSText && !utf8.Valid(payload) {
				t.Fatalf("kind %d, %d bytes, %d in fragments", kind, len(payload), len(r.partial))
			}
			if kind != wsContinuation {
				said += fmt.Sprintf("%d %q\n", kind, payload)
			}
			if kind == wsClose {
				said += closeStatus(payload).Error()
			}
			buf = buf[n:]
		}
	}
	return said
}

// TestFrames_EachMessageBeginsAnew behind one that came in fragments.
func TestFrames_EachMessageBeginsAnew(t *testing.T) {
	one := siptest.ClientFrame(1, "he") + siptest.ClientFrame(0, "l") + siptest.ClientFrame(0x80, "lo")
	for _, step := range []int{1, 3, 1000} {
		if said := readFrames(t, []byte(one+one+siptest.ClientFrame(0x81, "x")+one), step); said != "1 \"hello\"\n1 \"hello\"\n1 \"x\"\n1 \"hello\"\n" {
			t.Errorf("in steps of %d: %q", step, said)
		}
	}
}
