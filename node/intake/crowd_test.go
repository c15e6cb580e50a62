package intake

import (
	"net"
	"slices"
	"testing"
)

// visitor is a connection from an address.
type visitor struct {
	net.Conn
	from   string
	closed bool
}

func (v *visitor) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", v.from+":1")
	return a
}

func (v *visitor) Close() error { v.closed = true; return nil }

// Whoever fills the places pushes out himself.
func TestCrowd_TheBiggestSourceLeaves(t *testing.T) {
	c := &Crowd{Most: 4, Each: 3}
	var all []*visitor
	enter := func(from string) (leave func()) {
		v := &visitor{from: from}
		all = append(all, v)
		return c.Enter(v)
	}
	gone := func(want ...int) {
		t.Helper()
		var got []int
		for i, v := range all {
			if v.closed {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) || len(c.conns) > c.Most {
			t.Errorf("%v are gone, want %v; %d are there", got, want, len(c.conns))
		}
	}
	enter("192.0.2.1")          // 0: a node
	leave := enter("192.0.2.9") // 1 to 3: somebody
	enter("192.0.2.9")
	enter("192.0.2.9")
	gone()
	enter("192.0.2.9") // 4: his fourth
	gone(1)
	enter("192.0.2.2") // 5: another node
	gone(1, 2)
	leave() // of one who is gone
	enter("192.0.2.3")
	gone(1, 2, 3)
	enter("192.0.2.4")
	gone(0, 1, 2, 3)
}
