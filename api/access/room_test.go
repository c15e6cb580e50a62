package access_test

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/access"
)

// TestRoom_OfOneSourceIsBounded: so one can't take the places of all others.
func TestRoom_OfOneSourceIsBounded(t *testing.T) {
	r := access.NewRoom(3, 2)
	a, b := access.Network("192.0.2.1:1"), access.Network("[2001:db8::1]:1")
	got := []access.Entered{r.Enter(a), r.Enter(a), r.Enter(a), r.Enter(b), r.Enter(access.Network("[2001:db8::ffff]:2"))}
	if want := []access.Entered{access.In, access.In, access.FullFor, access.In, access.Full}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.Leave(a)
	if r.Enter(access.Network("192.0.2.1:77")) != access.In || r.Taken() != 3 {
		t.Error("a place that was given back is taken")
	}
}
