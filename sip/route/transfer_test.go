package route

import (
	"testing"
)

// TestTransfer_IsNoToken, nor is a token one; another cluster's is none.
func TestTransfer_IsNoToken(t *testing.T) {
	ring, other := NewRing([]Key{{ID: 1, Secret: []byte("a")}}), NewRing([]Key{{ID: 1, Secret: []byte("b")}})
	want := Transfer{Call: "00000000000000aa", Previous: "00000000000000bb", By: "1001", Minute: 7}
	text := ring.SealTransfer(&want)
	if got, ok := ring.OpenTransfer(text); !ok || got != want {
		t.Errorf("%+v %v", got, ok)
	}
	token := ring.Encode(&Token{Purpose: Deliver, Number: "1001", Call: want.Call}, []byte("transfer"), nil)
	for what, v := range map[string][]byte{"a token": token, "another cluster's": other.SealTransfer(&want), "nothing": nil, "text": []byte("x"), "cut off": text[:len(text)-1]} {
		if got, ok := ring.OpenTransfer(v); ok {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if _, _, ok := ring.decode(text, &Dialog{CallID: []byte("transfer")}, fromCaller); ok {
		t.Error("it is a token")
	}
	ring.SetKeys([]Key{{ID: 2, Secret: []byte("c")}})
	if _, ok := ring.OpenTransfer(text); ok {
		t.Error("its key is out of the ring")
	}
}
