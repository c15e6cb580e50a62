package transaction

import (
	"bytes"
	"testing"
)

// TestTexts_OneThatIsKeptIsNobodyElses: what was dropped gives room to the next one, and to
// one only; so no message changes while it is kept.
func TestTexts_OneThatIsKeptIsNobodyElses(t *testing.T) {
	var l texts
	want := map[int][]byte{}
	kept := map[int][]byte{}
	for i := range 500 {
		b := bytes.Repeat([]byte{byte(i)}, 1+i*37%(maxSpare+100))
		want[i], kept[i] = b, l.keep(b)
		if old := i - i%7; i%3 == 0 && kept[old] != nil {
			kept[old] = l.drop(kept[old])
			delete(kept, old)
		}
		for k, b := range kept {
			if !bytes.Equal(b, want[k]) {
				t.Fatalf("text %d has changed when there were %d", k, i)
			}
		}
		if len(l.spares) > maxSpares {
			t.Fatalf("%d spares are kept", len(l.spares))
		}
	}
}

// TestTexts_TakeNoMemoryAnew for a message like one that was dropped.
func TestTexts_TakeNoMemoryAnew(t *testing.T) {
	var l texts
	b := make([]byte, 1000)
	l.drop(l.keep(b))
	if n := testing.AllocsPerRun(100, func() { l.drop(l.keep(b)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
