package registrar

import (
	"strconv"
	"testing"
	"time"
)

// TestHistory_RemembersEachCallOfEachDN for as many others as a generation has
// at least, and until it registers again.
func TestHistory_RemembersEachCallOfEachDN(t *testing.T) {
	h, now := newHistory(), time.Now()
	h.add("1001", "c", 7, now)
	for _, x := range []struct {
		what, number, callID string
		after                time.Duration
		cseq                 uint32
		recently, known      bool
	}{
		{"at once", "1001", "c", 0, 7, true, true},
		{"while it may be repeated", "1001", "c", 31 * time.Second, 7, true, true},
		{"later", "1001", "c", 32 * time.Second, 7, false, true},
		{"another call", "1001", "d", 0, 0, false, false},
		{"another DN", "1002", "c", 0, 0, false, false},
	} {
		if cseq, recently, known := h.last(x.number, []byte(x.callID), now.Add(x.after)); cseq != x.cseq || recently != x.recently || known != x.known {
			t.Errorf("%s: CSeq %d, recently %v, known %v", x.what, cseq, recently, known)
		}
	}
	others := func() {
		for i := range generation {
			h.add("1002", strconv.Itoa(i), 1, now)
		}
	}
	others()
	if cseq, _, known := h.last("1001", []byte("c"), now); !known || cseq != 7 {
		t.Errorf("after a generation: CSeq %d, known %v", cseq, known)
	}
	h.add("1001", "d", 8, now)
	for _, callID := range []string{"c", "d"} {
		h.forget("1001", []byte(callID))
		if _, _, known := h.last("1001", []byte(callID), now); known {
			t.Errorf("%s registered again and is not forgotten", callID)
		}
	}
	h.add("1001", "e", 9, now)
	others()
	others()
	if _, _, known := h.last("1001", []byte("e"), now); known || len(h.young)+len(h.old) > 2*generation {
		t.Errorf("after two generations it is known (%v), of %d", known, len(h.young)+len(h.old))
	}
}
