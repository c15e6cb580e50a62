package sip

import (
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// elsewhere has others who can be called when phones say nothing.
func elsewhere(s *stage) { s.nodes[0].leaves.Store(true) }

// forgiving gives phones that time for their first word.
func forgiving(ms uint32) func(*stage) {
	return func(s *stage) {
		elsewhere(s)
		for _, w := range s.nodes {
			w.options(&configpb.Options{Realm: testRealm, FirstWordMs: proto.Uint32(ms)})
		}
		synctest.Wait()
	}
}

func TestTimers_FirstWord(t *testing.T) {
	for _, x := range []timing{
		{name: "a phone that says nothing while others can be called: left after 2 s, CANCEL at its first word", setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 3 b 180, 3 b 200 CANCEL, 3 b 487, 60", want: `
			n1>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2
			n1 hears 1002 3
			n1>b ACK 3
			n1>b CANCEL 3`},
		{name: "a phone that was left and never says a word", setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2`},
		{name: "a phone that was left and answers: ACK and BYE", setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 10 b 200, 10.5 b 200, 10.6 b 200 BYE, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5
			n1>a 100 0.2
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2
			n1 hears 1002 10
			n1>b ACK 10 10.5
			n1>b BYE 10 10.5`},
		{name: "a phone that was left and refuses: ACK, and it is heard", setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 10 b 486, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5
			n1>a 100 0.2
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2
			n1 hears 1002 10
			n1>b ACK 10`},
		{name: "a phone whose first word is a 100 may take its time", setup: elsewhere, script: "0 a new INVITE, 1.9 b 100, 30 b 180, 31 b 200, 31 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1>a 180 30
			n1 outcome 200 31
			n1>a 200 31
			n1>b ACK 31`},
		{name: "a phone that gets the third copy has said its word in time", setup: elsewhere, lost: "n1>b INVITE, n1>b INVITE", script: "0 a new INVITE, 1.6 b 180, 5 b 200, 5 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1>a 180 1.6
			n1 outcome 200 5
			n1>a 200 5
			n1>b ACK 5`},
		{name: "a phone at the other node that says nothing: its node tells, and is told", nodes: 2, setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 3 b 180, 3 b 200 CANCEL, 3 b 487, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n2>n1 100 0.2 2
			n1 outcome 487, no word 2
			n1>a 487 2
			n1>n2 ACK 2
			n1>n2 CANCEL 2
			n2 silent 1002 2
			n2>n1 200/CANCEL 2
			n2>n1 487 2
			n2 hears 1002 3
			n2>b ACK 3
			n2>b CANCEL 3`},
		{name: "a phone at the other node that was left and answers: ACK and BYE there", nodes: 2, setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 3 b 200, 3 b 200 BYE, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n2>n1 100 0.2 2
			n1 outcome 487, no word 2
			n1>a 487 2
			n1>n2 ACK 2
			n1>n2 CANCEL 2
			n2 silent 1002 2
			n2>n1 200/CANCEL 2
			n2>n1 487 2
			n2 hears 1002 3
			n2>b ACK 3
			n2>b BYE 3`},
		{name: "the other node tells again, in case that gets lost", nodes: 2, setup: elsewhere, script: "0 a new INVITE, 1 n1 loses n2>n1, 3 n1 finds n2>n1, 4 a ACK, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n2>n1 100 0.2 2 4
			n2 silent 1002 2
			n1 outcome 487, no word 4
			n1>a 487 4
			n1>n2 ACK 4
			n1>n2 CANCEL 4
			n2>n1 200/CANCEL 4
			n2>n1 487 4`},
		{name: "a phone at the other node that speaks too late for the first time, and in time for the second", nodes: 2, script: "0 a new INVITE, 3 b 180, 9 b 486, 9 a ACK, 60", want: `
			n1>n2 INVITE 0
			n2>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n2>n1 100 0.2 2
			n2 silent 1002 2
			n1>a 180 3
			n2 hears 1002 3
			n2>n1 180 3
			n1 outcome 486 9
			n1>a 486 9
			n1>n2 ACK 9
			n2>b ACK 9
			n2>n1 486 9`},
		{name: "a phone over a connection that says nothing", phone: "tcp", setup: elsewhere, script: "0 a new INVITE, 2 a ACK, 3 b 180, 3 b 200 CANCEL, 3 b 487, 60", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1 outcome 487, no word 2
			n1 silent 1002 2
			n1>a 487 2
			n1 hears 1002 3
			n1>b ACK 3
			n1>b CANCEL 3`},
		{name: "a phone whose connection ends before it has said a word", phone: "tcp", script: "0 a new INVITE, 1 b leaves, 1 a ACK, 60", want: `
			n1>b INVITE 0
			n1>a 100 0.2
			n1 outcome 480 retry, no word 1
			n1>a 480 1`},
		{name: "the option: half a second", setup: forgiving(500), script: "0 a new INVITE, 0.5 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 outcome 487, no word 0.5
			n1 silent 1002 0.5
			n1>a 487 0.5`},
		{name: "the option: off", setup: forgiving(0), script: "0 a new INVITE, 32 a ACK, 80", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 outcome 408 32
			n1>a 408 32`},
		{name: "two phones, one says nothing: the refusal of the other decides after 2 s", setup: besides(""), script: "0 a new INVITE, 0.1 b 486, 2 a ACK, 3 d 180, 3 d 200 CANCEL, 3 d 487, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0 0.5 1.5
			n1>b ACK 0.1
			n1>a 100 0.2
			n1 outcome 486 2
			n1 silent 1002 2
			n1>a 486 2
			n1 hears 1002 3
			n1>d ACK 3
			n1>d CANCEL 3`},
		{name: "two phones, one says nothing: the refusal of the other decides when it comes later", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 9 b 486, 9 a ACK, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 180 0.1
			n1 silent 1002 2
			n1 outcome 486 9
			n1>a 486 9
			n1>b ACK 9`},
		{name: "two phones, one says nothing and the other is answered: the late 200 is hung up", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 9 b 200, 9 a ACK, 10 d 180, 10 d 200 CANCEL, 10 d 487, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0 0.5 1.5 3.5 7.5
			n1>a 180 0.1
			n1 silent 1002 2
			n1 outcome 200 9
			n1>a 200 9
			n1>b ACK 9
			n1 hears 1002 10
			n1>d ACK 10
			n1>d CANCEL 10`},
		{name: "two phones, one says its first word late and is answered", setup: besides(""), script: "0 a new INVITE, 0.1 b 180, 4 d 180, 9 d 200, 9 a ACK, 9 b 200 CANCEL, 9 b 487, 60", want: `
			n1>b INVITE 0
			n1>d INVITE 0 0.5 1.5 3.5
			n1>a 180 0.1 4
			n1 silent 1002 2
			n1 hears 1002 4
			n1 outcome 200 9
			n1>a 200 9
			n1>b ACK 9
			n1>b CANCEL 9
			n1>d ACK 9`},
		{name: "two phones that both say nothing are waited for when nobody else is there", setup: besides(""), script: "0 a new INVITE, 9 d 180, 10 d 486, 10 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>d INVITE 0 0.5 1.5 3.5 7.5
			n1>a 100 0.2
			n1 silent 1002 2 2
			n1 hears 1002 9
			n1>a 180 9
			n1 outcome 486 10
			n1>a 486 10
			n1>d ACK 10`},
		{name: "a phone of lesser q is called when the first says nothing, and then both may answer", setup: besides(";q=0.5"), script: "0 a new INVITE, 2.1 d 180, 3 b 200, 3 a ACK, 3 d 200 CANCEL, 3 d 487, 60", want: `
			n1>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1 silent 1002 2
			n1>d INVITE 2
			n1>a 180 2.1
			n1 hears 1002 3
			n1 outcome 200 3
			n1>a 200 3
			n1>b ACK 3
			n1>d ACK 3
			n1>d CANCEL 3`},
		{name: "a phone of lesser q is called when the first says nothing, whose first word then brings a CANCEL", setup: besides(";q=0.5"), script: "0 a new INVITE, 2.1 d 180, 3 b 180, 3 b 200 CANCEL, 3 b 487, 5 d 486, 5 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5
			n1>a 100 0.2
			n1 silent 1002 2
			n1>d INVITE 2
			n1>a 180 2.1
			n1 hears 1002 3
			n1>b ACK 3
			n1>b CANCEL 3
			n1 outcome 486 5
			n1>a 486 5
			n1>d ACK 5`},
		{name: "a phone of lesser q refuses: no waiting for the first", setup: besides(";q=0.5"), script: "0 a new INVITE, 3 d 486, 3 a ACK, 60", want: `
			n1>b INVITE 0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100 0.2
			n1 silent 1002 2
			n1>d INVITE 2 2.5
			n1 outcome 486 3
			n1>a 486 3
			n1>d ACK 3`},
		{name: "a MESSAGE says nothing of a phone", script: "0 d new MESSAGE, 5 b 200 MESSAGE, 60", want: `
			n1>b MESSAGE 0 0.5 1.5 3.5
			n1>d 407/MESSAGE 0
			n1>d 200/MESSAGE 5`},
	} {
		x.run(t)
	}
}

// phoneNotes notes what the proxy tells of phones: those that say nothing, and
// when one of them says something again.
type phoneNotes struct {
	s      *stage
	node   string
	silent map[string]bool // by contact; guarded by s.mu
}

func (p *phoneNotes) Silent(n dn.Number, contact, _ string, _ uint32) {
	p.note(contact, true, "silent "+string(n))
}

func (p *phoneNotes) Heard(n dn.Number, contact, _ string) {
	p.note(contact, false, "hears "+string(n))
}

func (p *phoneNotes) note(contact string, silent bool, what string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.silent[contact] != silent {
		p.s.note(p.node, what)
	}
	p.silent[contact] = silent
}
