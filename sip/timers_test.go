package sip

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
)

// timing is a script that one or two nodes hear, and all that they say.
type timing struct {
	name          string
	nodes         int    // 0 is 1
	caller, phone string // udp or tcp; "" is udp
	noAnswer      time.Duration
	lag           time.Duration // between nodes
	lost          string        // as in stage, apart by commas
	setup         func(*stage)
	script, want  string
}

func (x timing) run(t *testing.T) {
	t.Run(x.name, func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			s := newStage(t, max(x.nodes, 1), cmp.Or(x.caller, "udp"), cmp.Or(x.phone, "udp"), nil)
			s.lag, s.lost = x.lag, strings.Split(x.lost, ", ")
			s.nodes[0].noAnswer.Store(int64(x.noAnswer))
			if x.setup != nil {
				x.setup(s)
			}
			s.record()
			s.play(x.script)
			s.want(x.want)
			s.rest()
		})
	})
}

func TestTimers_Datagrams(t *testing.T) {
	for _, x := range []timing{
		{name: "an INVITE that nobody answers: A doubles, B after 64*T1, then G up to T2 and H", script: "0 a new INVITE, 63.95 n1 holds 1, 64 n1 holds 0", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 silent 1002 2
			n1 outcome 408, no word 32
			n1>a 408 32 32.5 33.5 35.5 39.5 43.5 47.5 51.5 55.5 59.5 63.5`},
		{name: "a 100 stops A and B, and C runs from the INVITE: CANCEL, and 408 when the phone says nothing for 2 s", script: "0 a new INVITE, 1 b 100, 182 a ACK, 300", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>b CANCEL 180 180.5 181.5 183.5 187.5 191.5 195.5 199.5 203.5 207.5 211.5
			n1 outcome 408 182
			n1>a 408 182`},
		{name: "a phone that rings for five minutes: every provisional stops A, B and begins C anew", script: "0 a new INVITE, 0.1 b 180, 60 b 180, 120 b 183, 240 b 101, 300 b 200, 300 a ACK, 304.95 n1 holds 2, 305 n1 holds 0, 400 a BYE, 400 b 200 BYE, 440", want: `
			n1>b INVITE 0
			n1>a 180 0.1 60
			n1>a 183 120
			n1>a 101 240
			n1 outcome 200 300
			n1>a 200 300
			n1>b ACK 300
			n1 over, by 1 400
			n1>a 200/BYE 400
			n1>b BYE 400`},
		{name: "C runs from the last provisional response that is not a 100", script: "0 a new INVITE, 1 b 180, 100 b 199, 200 b 100, 280 b 200 CANCEL, 280 b 487, 280 a ACK, 320", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1>a 199 100
			n1 outcome 408 280
			n1>a 408 280
			n1>b ACK 280
			n1>b CANCEL 280`},
		{name: "C is stopped by a final response", script: "0 a new INVITE, 1 b 180, 10 b 200, 10 a ACK, 400", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 200 10
			n1>a 200 10
			n1>b ACK 10`},
		{name: "C is stopped by a refusal", script: "0 a new INVITE, 1 b 180, 10 b 486, 10 a ACK, 400", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 486 10
			n1>a 486 10
			n1>b ACK 10`},
		{name: "a re-INVITE that nobody answers", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INVITE, 80", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0 10 10.5 11.5 13.5 17.5 25.5 41.5
			n1>a 100 10.2
			n1>a 408 42 42.5 43.5 45.5 49.5 53.5 57.5 61.5 65.5 69.5 73.5`},
		{name: "a re-INVITE that rings for ever: C, CANCEL, and what the phone says of it", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INVITE, 11 b 180, 191 b 200 CANCEL, 191 b 487, 191 a ACK, 240", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0 191
			n1>b INVITE 0 10 10.5
			n1>a 100 10.2
			n1>a 180 11
			n1>a 487 191
			n1>b CANCEL 191`},
		{name: "a re-INVITE that rings for ever, and whose CANCEL is not heeded: 408 after 64*T1", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INVITE, 11 b 180, 191, 223 a ACK, 260", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0 10 10.5
			n1>a 100 10.2
			n1>a 180 11
			n1>b CANCEL 191 191.5 192.5 194.5 198.5 202.5 206.5 210.5 214.5 218.5 222.5
			n1>a 408 223`},
		{name: "a re-INVITE: C from the INVITE when only 100 comes", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INVITE, 11 b 100, 190 b 200 CANCEL, 190 b 487, 190 a ACK, 240", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0 190
			n1>b INVITE 0 10 10.5
			n1>a 100 10.2
			n1>a 487 190
			n1>b CANCEL 190`},
		{name: "a re-INVITE of the called that rings for five minutes", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 b INVITE, 10 a 180, 160 a 180, 300 a 199, 310 a 200, 310 b ACK, 600", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a INVITE 10
			n1>b 180 10 160
			n1>b 199 300
			n1>a ACK 310
			n1>b 200 310`},
		{name: "a re-INVITE's C is stopped by its answer", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INVITE, 10 b 180, 20 b 488, 20 a ACK, 300", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0 20
			n1>b INVITE 0 10
			n1>a 180 10
			n1>a 488 20`},
		{name: "a refusal: G until the ACK, then I; D absorbs its repetitions", script: "0 a new INVITE, 0 b 486, 1 b 486, 2 a ACK, 2 a ACK, 6.95 n1 holds 2, 7 n1 holds 1, 31 b 486, 31.95 n1 holds 1, 32 n1 holds 0, 33 b 486, 40", want: `
			n1 outcome 486 0
			n1>a 486 0 0.5 1.5
			n1>b ACK 0 1 31
			n1>b INVITE 0`},
		{name: "a 2xx: the phone repeats it until the ACK passes, both sides stay T4", script: "0 a new INVITE, 0 b 200, 0.5 b 200, 1.5 b 200, 2 a ACK, 3 b 200, 3 a ACK, 7.95 n1 holds 2, 8 n1 holds 0, 20", want: `
			n1 outcome 200 0
			n1>a 200 0 0.5 1.5 3
			n1>b INVITE 0
			n1>b ACK 2 3`},
		{name: "a 2xx without ACK: L and M", script: "0 a new INVITE, 0 b 200, 31 b 200, 31.95 n1 holds 2, 32 n1 holds 0, 40", want: `
			n1 outcome 200 0
			n1>a 200 0 31
			n1>b INVITE 0`},
		{name: "a 2xx without ACK behind a provisional response: M all the same", script: "0 a new INVITE, 0.1 b 180, 1 b 200, 32.95 n1 holds 2, 33 n1 holds 0, 40", want: `
			n1>b INVITE 0
			n1>a 180 0.1
			n1 outcome 200 1
			n1>a 200 1`},
		{name: "an INVITE that was answered and comes again much later begins nothing", script: "0 a new INVITE, 0 b 180, 1 b 200, 1 a ACK, 5 a again INVITE, 20 a again INVITE, 31 a again INVITE, 40", want: `
			n1>a 180 0
			n1>b INVITE 0
			n1 outcome 200 1
			n1>a 200 1
			n1>b ACK 1`},
		{name: "an INVITE that comes again gets what was said last", script: "0 a new INVITE, 0.15 a again INVITE, 0.5 a again INVITE, 1 b 180, 1.5 a again INVITE, 2 b 200, 2.5 a again INVITE, 3 a ACK, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2 0.5
			n1>a 180 1 1.5
			n1 outcome 200 2
			n1>a 200 2
			n1>b ACK 3`},
		{name: "an answer within 200 ms spares the 100", script: "0 a new INVITE, 0.15 b 180, 1 b 486, 1 a ACK, 40", want: `
			n1>b INVITE 0
			n1>a 180 0.15
			n1 outcome 486 1
			n1>a 486 1
			n1>b ACK 1`},
		{name: "CANCEL before anything came back goes out at the first provisional response", script: "0 a new INVITE, 0.1 a CANCEL, 1 b 180, 1 b 200 CANCEL, 1 b 487, 1 a ACK, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 200/CANCEL 0.1
			n1>a 100 0.2
			n1 outcome 487 1
			n1>a 487 1
			n1>b ACK 1
			n1>b CANCEL 1`},
		{name: "CANCEL goes out at once when a provisional response came", script: "0 a new INVITE, 0.1 b 100, 0.15 a CANCEL, 0.15 b 200 CANCEL, 0.15 b 487, 0.15 a ACK, 40", want: `
			n1>b INVITE 0
			n1 outcome 487 0.15
			n1>a 200/CANCEL 0.15
			n1>a 487 0.15
			n1>b ACK 0.15
			n1>b CANCEL 0.15`},
		{name: "CANCEL that is not heeded: 487 after 2 s, the branch ends 64*T1 after it", script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 4 a ACK, 33.95 n1 holds 2, 34 n1 holds 0, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1>a 200/CANCEL 2
			n1>b CANCEL 2 2.5 3.5 5.5 9.5 13.5 17.5 21.5 25.5 29.5 33.5
			n1 outcome 487 4
			n1>a 487 4`},
		{name: "a 2xx that crosses CANCEL passes", script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 3 b 200, 3 a ACK, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1>a 200/CANCEL 2
			n1>b CANCEL 2 2.5 3.5 5.5 9.5 13.5 17.5 21.5 25.5 29.5 33.5
			n1 outcome 200 3
			n1>a 200 3
			n1>b ACK 3`},
		{name: "a 2xx that comes too late is hung up", script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 2 b 200 CANCEL, 4 a ACK, 5 b 200, 5.5 b 200, 5.5 b 200 BYE, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1>a 200/CANCEL 2
			n1>b CANCEL 2
			n1 outcome 487 4
			n1>a 487 4
			n1>b ACK 5 5.5
			n1>b BYE 5 5.5`},
		{name: "a BYE that nobody answers: over after 0.5 s, agreed to after 4; E doubles up to T2, F, J", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 20 a again BYE, 41.95 n1 holds 2, 42 n1 holds 1, 46 n1 holds 0, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b BYE 10 10.5 11.5 13.5 17.5 21.5 25.5 29.5 33.5 37.5 41.5
			n1 over, by 1 10.5
			n1>a 200/BYE 14 20`},
		{name: "a BYE that is answered late, first in time for its sender, then not", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 13.9 b 200 BYE, 60 a new INVITE, 60 b 200, 60 a ACK, 70 a BYE, 75 b 481 BYE, 110", want: `
			n1 outcome 200 0 60
			n1>a 200 0 60
			n1>b ACK 0 60
			n1>b INVITE 0 60
			n1>b BYE 10 10.5 11.5 13.5 70 70.5 71.5 73.5
			n1 over, by 1 10.5 70.5
			n1>a 200/BYE 13.9 74`},
		{name: "a BYE that is asked for again ended nothing", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 10.1 b 407 BYE, 20 a BYE, 20.2 b 200 BYE, 60", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b BYE 10 20
			n1>a 407/BYE 10.1
			n1 over, by 1 20.2
			n1>a 200/BYE 20.2`},
		{name: "a BYE for which a gateway asks who calls ends the call", script: "0 a new INVITE, 0 b 200, 0 a ACK, 12 b BYE, 12.1 a 401 BYE, 60", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a BYE 12
			n1 over, by 2 12.1
			n1>b 200/BYE 12.1`},
		{name: "a BYE that is refused ends the call", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 b BYE, 10.1 a 503 BYE, 60", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a BYE 10
			n1 over, by 2 10.1
			n1>b 503/BYE 10.1`},
		{name: "a BYE: J 64*T1, K T4, and it is answered again", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 10.1 b 200 BYE, 15.05 n1 holds 2, 15.1 n1 holds 1, 30 a again BYE, 42.05 n1 holds 1, 42.1 n1 holds 0, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b BYE 10
			n1 over, by 1 10.1
			n1>a 200/BYE 10.1 30`},
		{name: "after a provisional response other requests go on being repeated each T2", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a INFO, 10.2 b 100 INFO, 41.95 n1 holds 2, 42 n1 holds 0, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b INFO 10 10.5 14.5 18.5 22.5 26.5 30.5 34.5 38.5`},
		{name: "a MESSAGE outside of calls: E, F", script: "0 d new MESSAGE, 32 n1 holds 0, 50", want: `
			n1>b MESSAGE 0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5
			n1>d 407/MESSAGE 0`},
	} {
		x.run(t)
	}
}

func TestTimers_Connections(t *testing.T) {
	for _, x := range []timing{
		{name: "a caller and a phone on connections: nothing is repeated, I, J, K, D take no time", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 1 b 180, 10 b 486, 10.05 n1 holds 1, 20 a ACK, 20 n1 holds 0, 50", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 486 10
			n1>a 486 10
			n1>b ACK 10`},
		{name: "an INVITE over a connection that nobody answers: B, and H while no ACK comes", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 63.95 n1 holds 1, 64 n1 holds 0", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1 silent 1002 2
			n1 outcome 408, no word 32
			n1>a 408 32`},
		{name: "a 2xx over connections stays T4 after its ACK too", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 0 b 200, 2 a ACK, 6.95 n1 holds 2, 7 n1 holds 0, 20", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b INVITE 0
			n1>b ACK 2`},
		{name: "requests of the phone go by the connection of a gateway that called over it", caller: "tcp", script: "0 a new INVITE, 0 b 200, 0 a ACK, 5 b INFO, 5 a 200 INFO, 10 b BYE, 10 a 200 BYE, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a INFO 5
			n1>b 200/INFO 5
			n1 over, by 2 10
			n1>a BYE 10
			n1>b 200/BYE 10`},
		{name: "a BYE over connections", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 13.95 n1 holds 2, 15 n1 holds 1, 20 b 200 BYE, 20 n1 holds 0, 30", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b BYE 10
			n1 over, by 1 10.5
			n1>a 200/BYE 14`},
		{name: "a BYE over a connection that nobody answers: F", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 0 b 200, 0 a ACK, 10 a BYE, 41.95 n1 holds 1, 42 n1 holds 0, 50", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>b BYE 10
			n1 over, by 1 10.5
			n1>a 200/BYE 14`},
		{name: "CANCEL over connections that is not heeded", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 4 a ACK, 33.95 n1 holds 2, 34 n1 holds 0, 40", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1>a 180 1
			n1>a 200/CANCEL 2
			n1>b CANCEL 2
			n1 outcome 487 4
			n1>a 487 4`},
		{name: "CANCEL over connections", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 1 b 180, 2 a CANCEL, 2 b 200 CANCEL, 2 b 487, 2 a ACK, 2 n1 holds 0, 40", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 487 2
			n1>a 200/CANCEL 2
			n1>a 487 2
			n1>b ACK 2
			n1>b CANCEL 2`},
		{name: "timer C over connections", caller: "tcp", phone: "tcp", script: "0 a new INVITE, 1 b 180, 181 b 200 CANCEL, 181 b 487, 181 a ACK, 181 n1 holds 0, 200", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 408 181
			n1>a 408 181
			n1>b ACK 181
			n1>b CANCEL 181`},
		{name: "a phone on a connection that is called by datagrams", phone: "tcp", script: "0 a new INVITE, 1 b 486, 3 a ACK, 7.95 n1 holds 1, 8 n1 holds 0, 20", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1 outcome 486 1
			n1>a 486 1 1.5 2.5
			n1>b ACK 1`},
		{name: "a phone that is called over a connection by a caller", caller: "tcp", script: "0 a new INVITE, 1 b 486, 3 a ACK, 3 n1 holds 1, 32.95 n1 holds 1, 33 n1 holds 0, 40", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1 outcome 486 1
			n1>a 486 1
			n1>b ACK 1`},
		{name: "a phone's connection ends while it rings", phone: "tcp", script: "0 a new INVITE, 1 b 180, 2 b leaves, 2 a ACK, 6.95 n1 holds 1, 7 n1 holds 0, 20", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 480 retry 2
			n1>a 480 2`},
		{name: "a caller's connection ends while it rings", caller: "tcp", script: "0 a new INVITE, 1 b 180, 2 a leaves, 2 b 200 CANCEL, 2 b 487, 50", want: `
			n1>b INVITE 0 0.5
			n1>a 100 0.2
			n1>a 180 1
			n1 outcome 487 2
			n1>b ACK 2
			n1>b CANCEL 2`},
	} {
		x.run(t)
	}
}
