package leftover

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCensus_SeesWhatIsLeft: a goroutine, a file, a socket.
func TestCensus_SeesWhatIsLeft(t *testing.T) {
	for name, leave := range map[string]func() (undo func(), err error){
		"TestCensus_SeesWhatIsLeft": func() (func(), error) {
			stop := make(chan struct{})
			begun := make(chan struct{})
			go func() { close(begun); <-stop }()
			<-begun
			return func() { close(stop) }, nil
		},
		"open: " + t.TempDir(): func() (func(), error) {
			f, err := os.Create(filepath.Join(t.TempDir(), "x"))
			return func() { f.Close() }, err
		},
		"open: socket": func() (func(), error) {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			return func() { c.Close() }, err
		},
	} {
		before := Take()
		undo, err := leave()
		if err != nil {
			t.Fatal(err)
		}
		left := Take().beyond(before)
		name, _, _ = strings.Cut(name, "/001")
		if len(left) != 1 || !strings.Contains(left[0], name) {
			t.Errorf("%s: %q", name, left)
		}
		undo()
		Since(t, before)
	}
}

type shelf map[string]int

func (s shelf) Held() map[string]int { return s }

func TestHeld_IsSummedAndZeroIsNothing(t *testing.T) {
	if got := describe(held([]Holder{shelf{"calls": 1, "flows": 0}, shelf{"calls": 2, "timers": 1}})); got != "3 calls, 1 timers" {
		t.Error(got)
	}
	None(t, time.Second, shelf{"calls": 0}, shelf(nil))
}
