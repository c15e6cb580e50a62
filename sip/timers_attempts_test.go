package sip

import (
	"testing"
	"time"
)

func TestTimers_Attempts(t *testing.T) {
	for _, x := range []timing{
		{name: "a phone that is not answered in its time: CANCEL, 408", noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 15 b 180, 20 b 200 CANCEL, 20 b 487, 20 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 180 0.1 15
			n1 outcome 408 20
			n1>a 408 20
			n1>b ACK 20
			n1>b CANCEL 20`},
		{name: "a phone that is answered at the last moment", noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 19.95 b 200, 19.95 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 180 0.1
			n1 outcome 200 19.95
			n1>a 200 19.95
			n1>b ACK 19.95`},
		{name: "a phone that is not answered and says nothing of the CANCEL: 2 s more", noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 22 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 180 0.1
			n1>b CANCEL 20 20.5 21.5 23.5 27.5 31.5 35.5 39.5 43.5 47.5 51.5
			n1 outcome 408 22
			n1>a 408 22`},
		{name: "a phone at the other node that is not answered in its time", nodes: 2, noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 20 b 200 CANCEL, 20 b 487, 20 a ACK, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0
			n1>a 180 0.1
			n2>n1 180 0.1
			n1 outcome 408 20
			n1>a 408 20
			n1>n2 ACK 20
			n1>n2 CANCEL 20
			n2>b ACK 20
			n2>b CANCEL 20
			n2>n1 200/CANCEL 20
			n2>n1 487 20`},
		{name: "the caller gives up when it is not answered anyway: 487 at once for both reasons", noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 21 a CANCEL, 21.5 b 487, 21.5 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 180 0.1
			n1>b CANCEL 20 20.5 21.5 23.5 27.5 31.5 35.5 39.5 43.5 47.5 51.5
			n1>a 200/CANCEL 21
			n1 outcome 408 21.5
			n1>a 487 21.5
			n1>b ACK 21.5`},
		{name: "a node that says nothing for 4 s: 408, elsewhere it may do better", nodes: 2, lost: "n1>n2", script: "0 a new INVITE, 4 a ACK, 60", want: `
			n1>n2 INVITE 0
			n1>a 100 0.2
			n1 outcome 408 retry 4
			n1>a 408 4`},
		{name: "a node whose 100 comes within 4 s has said something", nodes: 2, lost: "n1>n2 INVITE, n2>n1 100", script: "0 a new INVITE, 0.49 net breaks, 3.5 b 180, 4 b 486, 4 a ACK, 60", want: `
			n1>n2 INVITE 0 0.5
			n1>a 100 0.2
			n2>b INVITE 0.5 1 2
			n2>n1 100 0.7 2.5
			n2 silent 1002 2.5
			n1>a 180 3.5
			n2 hears 1002 3.5
			n2>n1 180 3.5
			n1 outcome 486 4
			n1>a 486 4
			n1>n2 ACK 4
			n2>b ACK 4
			n2>n1 486 4`},
		{name: "a node whose first word comes behind the 4 s is canceled then", nodes: 2, script: "0 n1 loses n2>n1, 0 a new INVITE, 5 a ACK, 5 n1 finds n2>n1, 6 b 180, 6 b 200 CANCEL, 6 b 487, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5 3.5
			n1>a 100 0.2
			n2>n1 100 0.2 2 4 6
			n2 silent 1002 2
			n1 outcome 408 retry 4
			n1>a 408 4 4.5
			n1>n2 ACK 6
			n1>n2 CANCEL 6
			n2 hears 1002 6
			n2>b ACK 6
			n2>b CANCEL 6
			n2>n1 200/CANCEL 6
			n2>n1 487 6`},
		{name: "a gateway that says nothing for 2 s", script: "0 a new INVITE 9001, 2 a ACK, 60", want: `
			n1>c INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 outcome 408 retry 2
			n1>a 408 2`},
		{name: "a phone that is overloaded was reached all the same", script: "0 a new INVITE, 0.1 b 503, 0.1 a ACK, 60", want: `
			n1>b INVITE 0
			n1 outcome 500 0.1
			n1>a 500 0.1
			n1>b ACK 0.1`},
		{name: "a gateway that answers 100 may take its time", script: "0 a new INVITE 9001, 1.9 c 100, 100 c 180, 150 c 200, 150 a ACK, 200", want: `
			n1>c INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1>a 180 100
			n1 outcome 200 150
			n1>a 200 150
			n1>c ACK 150`},
		{name: "a gateway that answers 100 and nothing else: C", script: "0 a new INVITE 9001, 0 c 100, 180 c 200 CANCEL, 180 c 487, 180 a ACK, 240", want: `
			n1>c INVITE 0
			n1>a 100 0.2
			n1 outcome 408 180
			n1>a 408 180
			n1>c ACK 180
			n1>c CANCEL 180`},
		{name: "a phone may be silent for longer than a node: nobody else can be called", script: "0 a new INVITE, 10 b 180, 11 b 200, 11 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5
			n1>a 100 0.2
			n1 silent 1002 2
			n1 hears 1002 10
			n1>a 180 10
			n1 outcome 200 11
			n1>a 200 11
			n1>b ACK 11`},
		{name: "the caller gives up while nothing came back and nothing ever does: 487 when the time for a first word is over", script: "0 a new INVITE, 1 a CANCEL, 3 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1>a 200/CANCEL 1
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2 2.5`},
	} {
		x.run(t)
	}
}

// besides registers another phone for 1002, "d".
func besides(params string) func(*stage) {
	return func(s *stage) { s.phone("d", "1002", "udp", params, s.nodes[0]) }
}

func TestTimers_Forks(t *testing.T) {
	for _, x := range []timing{
		{name: "two phones ring, one answers: CANCEL to the other at once", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 0.1 d 180, 5 b 200, 5 d 200 CANCEL, 5 d 487, 5 a ACK, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0
			n1>a 180 0.1 0.1
			n1 outcome 200 5
			n1>a 200 5
			n1>b ACK 5
			n1>d ACK 5
			n1>d CANCEL 5`},
		{name: "two phones ring, one is busy: the other goes on", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 0.1 d 180, 5 b 486, 50 d 200, 50 a ACK, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0
			n1>a 180 0.1 0.1
			n1>b ACK 5
			n1 outcome 200 50
			n1>a 200 50
			n1>d ACK 50`},
		{name: "two phones ring, one declines for all: CANCEL to the other at once", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 0.1 d 180, 5 b 603, 5 d 200 CANCEL, 5 d 487, 5 a ACK, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0
			n1>a 180 0.1 0.1
			n1 outcome 603 5
			n1>a 603 5
			n1>b ACK 5
			n1>d ACK 5
			n1>d CANCEL 5`},
		{name: "a phone of lesser q is called when the first has refused", setup: besides(";q=0.5"), script: "0 a new INVITE, 0.1 b 180, 5 b 486, 5.1 d 180, 9 d 200, 9 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 180 0.1 5.1
			n1>b ACK 5
			n1>d INVITE 5
			n1 outcome 200 9
			n1>a 200 9
			n1>d ACK 9`},
		{name: "a phone of lesser q is called when the first has been silent for 2 s, which may answer yet", setup: besides(";q=0.5"), script: "0 a new INVITE, 32 d 200, 32 a ACK, 80", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 silent 1002 2 4
			n1>d INVITE 2 2.5 3.5 5.5 9.5 17.5
			n1 hears 1002 32
			n1 outcome 200 32
			n1>a 200 32
			n1>d ACK 32`},
		{name: "a phone of lesser q is not called when the time is over", setup: besides(";q=0.5"), noAnswer: 20 * time.Second, script: "0 a new INVITE, 0.1 b 180, 20 b 200 CANCEL, 20 b 487, 20 a ACK, 80", want: `
			n1>b INVITE 0
			n1>a 180 0.1
			n1 outcome 408 20
			n1>a 408 20
			n1>b ACK 20
			n1>b CANCEL 20`},
		{name: "C begins anew with a provisional response of any phone", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 0.1 d 180, 100 d 180, 280 b 200 CANCEL, 280 b 487, 280 d 200 CANCEL, 280 d 487, 280 a ACK, 330", want: `
			n1>b INVITE 0
			n1>d INVITE 0
			n1>a 180 0.1 0.1 100
			n1 outcome 408 280
			n1>a 408 280
			n1>b ACK 280
			n1>b CANCEL 280
			n1>d ACK 280
			n1>d CANCEL 280`},
		{name: "a second 2xx behind the first passes too", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 0.1 d 180, 5 b 200, 5 a ACK, 5.1 d 200, 6 d 200 CANCEL, 50", want: `
			n1>b INVITE 0
			n1>d INVITE 0
			n1>a 180 0.1 0.1
			n1 outcome 200 5
			n1>a 200 5 5.1
			n1>b ACK 5
			n1>d CANCEL 5 5.5`},
	} {
		x.run(t)
	}
}

func TestTimers_Sessions(t *testing.T) {
	for _, x := range []timing{
		{name: "a session without refresh ends with its time", script: "0 a new INVITE, 0 b 200 INVITE Session-Expires: 90;refresher=uas, 0 a ACK, 100", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1 over, by 0 90.75`},
		{name: "UPDATE and re-INVITE refresh a session, INFO does not", script: "0 a new INVITE, 0 b 200 INVITE Session-Expires: 90, 0 a ACK, 50 a UPDATE, 50 b 200 UPDATE Session-Expires: 90, 100 b INVITE, 100 a 200 INVITE Session-Expires: 90, 100 b ACK, 150 a INFO, 150 b 200 INFO, 200", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a 200/UPDATE 50
			n1>b UPDATE 50
			n1>a ACK 100
			n1>a INVITE 100
			n1>b 200 100
			n1>a 200/INFO 150
			n1>b INFO 150
			n1 over, by 0 190.75`},
		{name: "a refused refresh refreshes nothing", script: "0 a new INVITE, 0 b 200 INVITE Session-Expires: 90, 0 a ACK, 50 a UPDATE, 50 b 500 UPDATE, 100", want: `
			n1 outcome 200 0
			n1>a 200 0
			n1>b ACK 0
			n1>b INVITE 0
			n1>a 500/UPDATE 50
			n1>b UPDATE 50
			n1 over, by 0 90.75`},
	} {
		x.run(t)
	}
}
