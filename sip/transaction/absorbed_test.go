package transaction

import (
	"testing"
	"time"
)

// TestAbsorbed_ALateCopyOfAnAnsweredINVITE is known for 64*T1 (RFC 6026 §7.1) by what is
// left of its transaction, and forgotten some time later; one that was refused is not: its
// own transaction lasts for as long.
func TestAbsorbed_ALateCopyOfAnAnsweredINVITE(t *testing.T) {
	run(t, false, func(t *testing.T, l *Layer, w *wire) {
		answered := func(k Key) {
			s := l.Open(k, true, w, nil)
			_ = s.Respond(200, []byte("SIP/2.0 200 X\r\n"))
			s.Acked()
		}
		want := func(when string, k Key, want bool) {
			t.Helper()
			_, found := l.Find(k)
			if got := found || l.Absorbed(k); got != want {
				t.Errorf("%s: %v is recognised: %v", when, k, got)
			}
		}
		answered(Key{1})
		_ = l.Open(Key{2}, true, w, nil).Respond(486, []byte("SIP/2.0 486 X\r\n"))
		for after := time.Second; after <= 32*time.Second; after += time.Second {
			wait(l, time.Second)
			want(after.String(), Key{1}, true)
		}
		wait(l, time.Second)
		want("a refusal that is over", Key{2}, false)
		for i := range uint64(3) { // others turn it out
			answered(Key{9, i})
			wait(l, 40*time.Second)
		}
		want("long after", Key{1}, false)
		if n := l.Len(); n != 0 {
			t.Errorf("%d transactions are left", n)
		}
	})
}

func TestAbsorbed_IsBounded(t *testing.T) {
	a := absorbed{age: time.Hour}
	for i := range uint64(5 * maxAbsorbed / 2) {
		a.add(Key{i})
		if !a.has(Key{i}) || i > maxAbsorbed && !a.has(Key{i - maxAbsorbed + 1}) {
			t.Fatal("forgotten too early:", i)
		}
	}
	if n := len(a.young) + len(a.old); n > 2*maxAbsorbed {
		t.Errorf("%d are kept", n)
	}
}
