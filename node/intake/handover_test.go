package intake

import (
	"errors"
	"net"
	"testing"
)

func TestHandover_ClosedTurnsAway(t *testing.T) {
	h := NewHandover(&net.TCPAddr{})
	_ = h.Close()
	_ = h.Close()
	if _, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	a, b := net.Pipe()
	h.Give(t.Context(), a)
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stayed open")
	}
}
