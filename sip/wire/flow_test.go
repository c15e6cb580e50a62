package wire

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestSchedule_TheEndOfAConnection ends its binding at once; what was asked
// before has a second for its answer.
func TestSchedule_TheEndOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		for _, x := range []struct {
			asked bool
			want  time.Duration
		}{{false, 0}, {true, time.Second}} {
			f, phone := p.open(t, "192.0.2.1:5060", "1001")
			if x.asked {
				f.pending.add([]byte("OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKn\r\nCSeq: 1 OPTIONS\r\n\r\n"), time.Now())
			}
			began := time.Now()
			phone.Close()
			if <-p.ended; time.Since(began) != x.want {
				t.Errorf("asked %v: ended after %v, want %v", x.asked, time.Since(began), x.want)
			}
		}
	})
}

// TestSchedule_AFullConnectionWaitsFiveSeconds: none of its requests is answered.
func TestSchedule_AFullConnectionWaitsFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending(newPipes().l.flows.seed)
		began := time.Now()
		if p.wait(5*time.Second, func() bool { return false }) || time.Since(began) != 5*time.Second {
			t.Errorf("after %v", time.Since(began))
		}
		time.AfterFunc(3*time.Second, func() { p.done([]byte("SIP/2.0 200 OK\r\n\r\n")) })
		began, enough := time.Now(), false
		if !p.wait(5*time.Second, func() bool { defer func() { enough = true }(); return enough }) || time.Since(began) != 3*time.Second {
			t.Errorf("an answer was noticed after %v", time.Since(began))
		}
		if d := lostAnswer; d != 10*time.Second {
			t.Errorf("a lost answer counts for %v", d)
		}
	})
}

// TestSchedule_AStuckWriteHasFiveSeconds: the phone does not read.
func TestSchedule_AStuckWriteHasFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		f, _ := p.open(t, "192.0.2.1:5060", "1001")
		began := time.Now()
		if _, err := f.Write([]byte("SIP/2.0 200 OK\r\n\r\n")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-p.ended
	})
}
