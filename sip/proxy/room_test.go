package proxy

import (
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// onlooker is who looks at the room when a message goes out to another node.
type onlooker struct {
	room *room
	seen []int
}

// Send implements wire.Peers.
func (o *onlooker) Send(dn.Node, uint16, []byte) error {
	held := map[string]int{}
	o.room.held(held)
	o.seen = append(o.seen, held["sip_calls"])
	return nil
}

// Stands implements wire.Peers.
func (o *onlooker) Stands(dn.Node) bool { return true }

// Hold implements wire.Peers.
func (o *onlooker) Hold() {}

// Release implements wire.Peers.
func (o *onlooker) Release() {}

// TestRoom_IsFreeBeforeTheFinalAnswerGoesOut, whichever that is: a caller that has it, and
// calls again at once, is not refused for its own last call.
func TestRoom_IsFreeBeforeTheFinalAnswerGoesOut(t *testing.T) {
	lines := func(first string) []string {
		return []string{first, "Via: SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bKa", "From: <sip:1001@h>;tag=1", "To: <sip:1002@h>", "Call-ID: c", "CSeq: 1 MESSAGE"}
	}
	for name, ends := range map[string]func(*Call){
		"of our own":    func(c *Call) { c.reject(404, "Not Found") },
		"of the caller": func(c *Call) { c.canceled(nil); c.reject(408, "Request Timeout") },
		"passed on": func(c *Call) {
			c.pass(Outcome{Outcome: invite.Outcome{Code: 486}, res: parsed(t, lines("SIP/2.0 486 Busy Here")...)})
		},
		"a success": func(c *Call) { (&Attempt{c: c}).won(&branch{}, parsed(t, lines("SIP/2.0 200 OK")...)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newAlone(t)
			p.calls.room.max = 1
			o := &onlooker{room: &p.calls.room}
			p.Connect(&wire.Exits{Peers: o})
			req := parsed(t, lines("MESSAGE sip:1002@h SIP/2.0")...)
			sh := p.shards.of(req.Get(message.CallID))
			sh.Lock()
			defer sh.Unlock()
			c := p.calls.begin(sh, req, &packet{exits: p.exits, peer: "n2"}, [13]byte{}, callOrigin{kind: fromPeer})
			p.calls.open(c, transaction.KeyOf(req))
			ends(c)
			if len(o.seen) != 1 || o.seen[0] != 0 {
				t.Errorf("calls that are being set up when an answer goes out: %v", o.seen)
			}
		})
	}
}
