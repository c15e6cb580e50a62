package sip

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
)

func TestTimers_BetweenNodes(t *testing.T) {
	for _, x := range []timing{
		{name: "a call to the other node: one 100 each, one INVITE each, the ACK and BYE at once", nodes: 2, script: "0 a new INVITE, 1 b 180, 5 b 200, 5 a ACK, 6 a INFO, 6 b 200 INFO, 7 b INFO, 7 a 200 INFO, 8 a INVITE, 8 b 200, 8 a ACK, 9 a BYE, 9 b 200 BYE, 50", want: `
			n1>n2 INVITE 0 8
			n2>b INVITE 0 0.5 8
			n1>a 100 0.2
			n2>n1 100 0.2
			n1>a 180 1
			n2>n1 180 1
			n1 outcome 200 5
			n1>a 200 5 8
			n1>n2 ACK 5 8
			n2>b ACK 5 8
			n2>n1 200 5 8
			n1>a 200/INFO 6
			n1>n2 INFO 6
			n2>b INFO 6
			n2>n1 200/INFO 6
			n1>a INFO 7
			n1>n2 200/INFO 7
			n2>b 200/INFO 7
			n2>n1 INFO 7
			n1 over, by 1 9
			n1>a 200/BYE 9
			n1>n2 BYE 9
			n2>b BYE 9
			n2>n1 200/BYE 9`},
		{name: "a call from the other node's phone ends at once too", nodes: 2, script: "0 a new INVITE, 0.1 b 180, 5 b 200, 5 a ACK, 9 b BYE, 9 a 200 BYE, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n1 outcome 200 5
			n1>a 200 5
			n1>n2 ACK 5
			n2>b ACK 5
			n2>n1 200 5
			n1 over, by 2 9
			n1>a BYE 9
			n1>n2 200/BYE 9
			n2>b 200/BYE 9
			n2>n1 BYE 9`},
		{name: "CANCEL passes both nodes at once when it rings", nodes: 2, script: "0 a new INVITE, 0.1 b 180, 0.15 a CANCEL, 0.15 b 200 CANCEL, 0.15 b 487, 0.15 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n1 outcome 487 0.15
			n1>a 200/CANCEL 0.15
			n1>a 487 0.15
			n1>n2 ACK 0.15
			n1>n2 CANCEL 0.15
			n2>b ACK 0.15
			n2>b CANCEL 0.15
			n2>n1 200/CANCEL 0.15
			n2>n1 487 0.15`},
		{name: "CANCEL right behind the INVITE: to the node with its 100, to the phone with its first word", nodes: 2, script: "0 a new INVITE, 0 a CANCEL, 1 b 180, 1 b 200 CANCEL, 1 b 487, 50", want: `
			n1>a 200/CANCEL 0
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5
			n1>a 100 0.2
			n1>n2 CANCEL 0.2
			n2>n1 100 0.2
			n2>n1 200/CANCEL 0.2
			n1 outcome 487 1
			n1>a 487 1 1.5 2.5 4.5 8.5 12.5 16.5 20.5 24.5 28.5 32.5
			n1>n2 ACK 1
			n2>b ACK 1
			n2>b CANCEL 1
			n2>n1 487 1`},
		{name: "CANCEL while the other node has said 100 only", nodes: 2, script: "0 a new INVITE, 0.3 a CANCEL, 0.5 b 180, 0.5 b 200 CANCEL, 0.5 b 487, 0.5 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5
			n1>a 100 0.2
			n2>n1 100 0.2
			n1>a 200/CANCEL 0.3
			n1>n2 CANCEL 0.3
			n2>n1 200/CANCEL 0.3
			n1 outcome 487 0.5
			n1>a 487 0.5
			n1>n2 ACK 0.5
			n2>b ACK 0.5
			n2>b CANCEL 0.5
			n2>n1 487 0.5`},
		{name: "CANCEL and a phone that says nothing any more: 487 after 2 s", nodes: 2, script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 4 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5
			n1>a 100 0.2
			n2>n1 100 0.2
			n1>a 180 1
			n2>n1 180 1
			n1>a 200/CANCEL 2
			n1>n2 CANCEL 2
			n2>b CANCEL 2 2.5 3.5 5.5 9.5 13.5 17.5 21.5 25.5 29.5 33.5
			n2>n1 200/CANCEL 2
			n1 outcome 487 4
			n1>a 487 4
			n1>n2 ACK 4
			n2>n1 487 4`},
		{name: "no request within a call waits for anything", nodes: 2, script: "0 a new INVITE, 0 b 200, 0 a ACK, 2 a UPDATE, 2 b 200 UPDATE, 3 a PRACK, 3 b 200 PRACK, 4 b REFER, 4 a 202 REFER, 5 a NOTIFY, 5 b 200 NOTIFY, 6 b MESSAGE, 6 a 200 MESSAGE, 7 b SUBSCRIBE, 7 a 200 SUBSCRIBE, 8 b INVITE, 8 a 200, 8 b ACK, 9 b BYE, 9 a 200 BYE, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 200 0
			n1>a 200/UPDATE 2
			n1>n2 UPDATE 2
			n2>b UPDATE 2
			n2>n1 200/UPDATE 2
			n1>a 200/PRACK 3
			n1>n2 PRACK 3
			n2>b PRACK 3
			n2>n1 200/PRACK 3
			n1>a REFER 4
			n1>n2 202/REFER 4
			n2>b 202/REFER 4
			n2>n1 REFER 4
			n1>a 200/NOTIFY 5
			n1>n2 NOTIFY 5
			n2>b NOTIFY 5
			n2>n1 200/NOTIFY 5
			n1>a MESSAGE 6
			n1>n2 200/MESSAGE 6
			n2>b 200/MESSAGE 6
			n2>n1 MESSAGE 6
			n1>a SUBSCRIBE 7
			n1>n2 200/SUBSCRIBE 7
			n2>b 200/SUBSCRIBE 7
			n2>n1 SUBSCRIBE 7
			n1>a ACK 8
			n1>a INVITE 8
			n1>n2 200 8
			n2>b 200 8
			n2>n1 ACK 8
			n2>n1 INVITE 8
			n1 over, by 2 9
			n1>a BYE 9
			n1>n2 200/BYE 9
			n2>b 200/BYE 9
			n2>n1 BYE 9`},
		{name: "a refusal passes both nodes at once", nodes: 2, script: "0 a new INVITE, 1 b 603, 1 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5
			n1>a 100 0.2
			n2>n1 100 0.2
			n1 outcome 603 1
			n1>a 603 1
			n1>n2 ACK 1
			n2>b ACK 1
			n2>n1 603 1`},
		{name: "a phone at the other node that rings for five minutes", nodes: 2, script: "0 a new INVITE, 1 b 180, 60 b 180, 200 b 180, 300 b 200, 300 a ACK, 301 a BYE, 301 b 200 BYE, 350", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5
			n1>a 100 0.2
			n2>n1 100 0.2
			n1>a 180 1 60 200
			n2>n1 180 1 60 200
			n1 outcome 200 300
			n1>a 200 300
			n1>n2 ACK 300
			n2>b ACK 300
			n2>n1 200 300
			n1 over, by 1 301
			n1>a 200/BYE 301
			n1>n2 BYE 301
			n2>b BYE 301
			n2>n1 200/BYE 301`},
		{name: "a phone at the other node that rings for ever: its node's C is first", lag: 50 * time.Millisecond, nodes: 2, script: "0 a new INVITE, 1 b 180, 181.05 b 200 CANCEL, 181.05 b 487, 181.15 a ACK, 240", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0.05 0.55
			n1>a 100 0.2
			n2>n1 100 0.25
			n2>n1 180 1
			n1>a 180 1.05
			n2>b CANCEL 181
			n1>n2 CANCEL 181.05
			n2>b ACK 181.05
			n2>n1 408 181.05
			n1 outcome 408 181.1
			n1>a 408 181.1
			n1>n2 ACK 181.1
			n2>n1 200/CANCEL 181.1`},
		{name: "a phone at the other node that says nothing: B there", nodes: 2, script: "0 a new INVITE, 32 a ACK, 80", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n2>n1 100 0.2 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32
			n2 silent 1002 2
			n1 outcome 408, no word 32
			n1>a 408 32
			n1>n2 ACK 32
			n2>n1 408 32`},
	} {
		x.run(t)
	}
}

// TestTimers_Losses: what a stream took with it when it ended.
func TestTimers_Losses(t *testing.T) {
	for _, x := range []timing{
		{name: "an INVITE", nodes: 2, lost: "n1>n2 INVITE", script: "0 a new INVITE, 0.49 net breaks, 0.5 b 180, 1 b 200, 1 a ACK, 10", want: `
			n1>n2 INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 0.5
			n2>b INVITE 0.5
			n2>n1 180 0.5
			n1 outcome 200 1
			n1>a 200 1
			n1>n2 ACK 1
			n2>b ACK 1
			n2>n1 200 1`},
		{name: "a provisional response", nodes: 2, lost: "n2>n1 180", script: "0 a new INVITE, 0.1 b 180, 0.49 net breaks, 1 b 200, 1 a ACK, 10", want: `
			n1>n2 INVITE 0 0.5
			n2>b INVITE 0
			n2>n1 180 0.1 0.5
			n1>a 100 0.2
			n1>a 180 0.5
			n1 outcome 200 1
			n1>a 200 1
			n1>n2 ACK 1
			n2>b ACK 1
			n2>n1 200 1`},
		{name: "a 2xx, which the phone repeats", nodes: 2, lost: "n2>n1 200", script: "0 a new INVITE, 0 b 200, 0.5 b 200, 0.5 a ACK, 10", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n2>n1 200 0 0.5
			n1>a 100 0.2
			n1 outcome 200 0.5
			n1>a 200 0.5
			n1>n2 ACK 0.5
			n2>b ACK 0.5`},
		{name: "the ACK of a 2xx, which the next 2xx brings", nodes: 2, lost: "n1>n2 ACK", script: "0 a new INVITE, 0 b 200, 0 a ACK, 0.5 b 200, 0.5 a ACK, 10", want: `
			n1 outcome 200 0
			n1>a 200 0 0.5
			n1>n2 ACK 0 0.5
			n1>n2 INVITE 0
			n2>b INVITE 0
			n2>n1 200 0 0.5
			n2>b ACK 0.5`},
		{name: "a refusal", nodes: 2, lost: "n2>n1 486", script: "0 a new INVITE, 0.3 b 486, 0.79 net breaks, 1 a ACK, 50", want: `
			n1>n2 INVITE 0 0.8
			n2>b INVITE 0
			n1>a 100 0.2
			n2>n1 100 0.2
			n2>b ACK 0.3
			n2>n1 486 0.3 0.8
			n1 outcome 486 0.8
			n1>a 486 0.8
			n1>n2 ACK 0.8`},
		{name: "the ACK of a refusal: H", nodes: 2, lost: "n1>n2 ACK", script: "0 a new INVITE, 0 b 486, 0 a ACK, 50", want: `
			n1 outcome 486 0
			n1>a 486 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 486 0`},
		{name: "a CANCEL", nodes: 2, lost: "n1>n2 CANCEL", script: "0 a new INVITE, 0.1 b 180, 1 a CANCEL, 1.49 net breaks, 1.5 b 200 CANCEL, 1.5 b 487, 1.5 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n1>a 200/CANCEL 1
			n1>n2 CANCEL 1 1.5
			n1 outcome 487 1.5
			n1>a 487 1.5
			n1>n2 ACK 1.5
			n2>b ACK 1.5
			n2>b CANCEL 1.5
			n2>n1 200/CANCEL 1.5
			n2>n1 487 1.5`},
		{name: "a BYE to a node that is not heard, and its answer", nodes: 2, lost: "n1>n2 BYE, n2>n1 200/BYE", script: "0 a new INVITE, 0 b 200, 0 a ACK, 2 a BYE, 2.49 net breaks, 2.5 b 200 BYE, 3.49 net breaks, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 200 0
			n1 over, by 1 2
			n1>n2 BYE 2 2.5 3.5
			n1>a 200/BYE 2.5
			n2>b BYE 2.5
			n2>n1 200/BYE 2.5 3.5`},
		{name: "with 150 ms between the nodes all that passes is 150 ms late, CANCEL included", nodes: 2, lag: 150 * time.Millisecond, script: "0 a new INVITE, 0.2 b 180, 1 a CANCEL, 1.15 b 200 CANCEL, 1.15 b 487, 1.5 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0.15
			n1>a 100 0.2
			n2>n1 180 0.2
			n1>a 180 0.35
			n1>a 200/CANCEL 1
			n1>n2 CANCEL 1
			n2>b ACK 1.15
			n2>b CANCEL 1.15
			n2>n1 200/CANCEL 1.15
			n2>n1 487 1.15
			n1 outcome 487 1.3
			n1>a 487 1.3
			n1>n2 ACK 1.3`},
		{name: "with 150 ms between the nodes a call is answered and ended by it", nodes: 2, lag: 150 * time.Millisecond, script: "0 a new INVITE, 0.15 b 200, 0.3 a ACK, 2 b BYE, 2.15 a 200 BYE, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0.15
			n2>n1 200 0.15
			n1>a 100 0.2
			n1 outcome 200 0.3
			n1>a 200 0.3
			n1>n2 ACK 0.3
			n2>b ACK 0.45
			n2>n1 BYE 2
			n1 over, by 2 2.15
			n1>a BYE 2.15
			n1>n2 200/BYE 2.15
			n2>b 200/BYE 2.3`},
	} {
		x.run(t)
	}
}

// TestTimers_AStalledStream holds up at most an eighth of the calls, each of which goes
// on when it does.
func TestTimers_AStalledStream(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 2, "udp", "udp", nil)
		goOn := s.lines.stall()
		s.record()
		const calls = 96
		script := strings.Repeat("0 a new INVITE, ", calls)
		s.play(script + "0.1")
		rang := func() int { // before n2 repeats anything
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(slices.DeleteFunc(slices.Clone(s.tape), func(n note) bool { return n.way+" "+n.what != "n2>b INVITE" }))
		}
		if n := rang(); n < calls-calls/8 || n == calls {
			t.Errorf("%d of %d calls have arrived", n, calls)
		}
		goOn()
		synctest.Wait()
		if n := rang(); n != calls {
			t.Errorf("%d of %d calls arrive in the end", n, calls)
		}
		s.until(100 * time.Second)
	})
}

// TestTimers_Cuts: no stream between the nodes stands.
func TestTimers_Cuts(t *testing.T) {
	for _, x := range []timing{
		{name: "a call is refused at once, and may go elsewhere", nodes: 2, script: "0 net cuts, 1 a new INVITE, 1 a ACK, 50", want: `
			n1 outcome 480 retry 1
			n1>a 480 1`},
		{name: "so is one that nobody has heard of yet", nodes: 2, lost: "n1>n2 INVITE", script: "0 a new INVITE, 0.49 net cuts, 0.5 a ACK, 50", want: `
			n1>n2 INVITE 0
			n1>a 100 0.2
			n1 outcome 480 retry 0.5
			n1>a 480 0.5`},
		{name: "one that rings goes on, and hears after the cut what was said in it", nodes: 2, script: "0 a new INVITE, 0.1 b 180, 1 net cuts, 2 b 486, 3 net heals, 4 a ACK, 50", want: `
			n1>n2 INVITE 0 3.26
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n2>b ACK 2
			n1 outcome 486 3.26
			n1>a 486 3.26 3.8
			n1>n2 ACK 3.26
			n2>n1 486 3.26`},
		{name: "a CANCEL waits for the end of the cut", nodes: 2, script: "0 a new INVITE, 0.1 b 180, 1 net cuts, 2 a CANCEL, 2.5 net heals, 3 b 200 CANCEL, 3 b 487, 4 a ACK, 50", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n1>a 200/CANCEL 2
			n1>n2 CANCEL 2.76
			n2>b CANCEL 2.76
			n2>n1 200/CANCEL 2.76
			n1 outcome 487 3
			n1>a 487 3 3.5
			n1>n2 ACK 3
			n2>b ACK 3
			n2>n1 487 3`},
		{name: "so does a BYE, which ends the call at once", nodes: 2, script: "0 a new INVITE, 0 b 200, 0 a ACK, 1 net cuts, 2 a BYE, 4 net heals, 5 b 200 BYE, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 200 0
			n1 over, by 1 2
			n1>a 200/BYE 2.5
			n1>n2 BYE 4.26
			n2>b BYE 4.26 4.8
			n2>n1 200/BYE 5`},
		{name: "a request within the call is refused at once", nodes: 2, script: "0 a new INVITE, 0 b 200, 0 a ACK, 1 net cuts, 2 b INFO, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 200 0
			n2>b 500/INFO 2`},
		{name: "so is one that is under way", nodes: 2, script: "0 a new INVITE, 0 b 200, 0 a ACK, 1 a INFO, 1.1 net cuts, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>n2 ACK 0
			n1>n2 INVITE 0
			n2>b ACK 0
			n2>b INVITE 0
			n2>n1 200 0
			n1>n2 INFO 1
			n2>b INFO 1 1.5 2.5 4.5 8.5 12.5 16.5 20.5 24.5 28.5 32.5
			n1>a 500/INFO 1.11`},
	} {
		x.run(t)
	}
}
