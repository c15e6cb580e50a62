package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

const (
	// firstAsk is when a caller who waits is asked for the first time, askEvery how
	// long after each answer.
	firstAsk = time.Second
	askEvery = 30 * time.Second
)

// callerProbe finds out that a caller who waits at a routing point is no more: over UDP
// nobody says so. It is asked by OPTIONS, the way that its INVITE came. Only a caller
// that has answered once is gone when it answers no more, for the time of timer F; one
// whose port is closed is at once.
type callerProbe struct {
	c        *Call
	alarm    transaction.Alarm
	answered bool
}

func newCallerProbe(c *Call) *callerProbe {
	p := &callerProbe{c: c}
	p.alarm = transaction.Alarm{Layer: c.sh.Layer, Handler: p}
	return p
}

// start begins, for a caller over datagrams. The caller holds the shard.
func (p *callerProbe) start() {
	if !p.c.back.Reliable() && p.c.origin.kind != fromPeer {
		p.alarm.Set(firstAsk)
	}
}

// Fire implements transaction.AlarmHandler.
func (p *callerProbe) Fire(uint8) {
	c := p.c
	if c.final {
		return
	}
	callID := c.in.shards.idOf(c.sh)
	id := newBranch(base32(rand.Uint64()))
	realm := c.in.machine.View().Options().GetRealm()
	text := fmt.Appendf(nil, "OPTIONS %s SIP/2.0\r\nVia: %s\r\nMax-Forwards: 70\r\nFrom: <sip:ping@%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		c.req.ContactURI(), c.sh.via(&c.origin.hop, id), realm, callID[:8], c.req.ContactURI(), callID)
	if _, err := c.sh.Send(id, "OPTIONS", &c.origin.hop, text, p.on); err != nil {
		return
	}
}

// on takes what comes back, whatever its code.
func (p *callerProbe) on(res *message.Message, err error) {
	switch {
	case p.c.final:
	case err == nil && res.Status >= 200:
		p.answered = true
		p.alarm.Set(askEvery)
	case errors.Is(err, transaction.ErrUnsent), err != nil && p.answered:
		p.c.canceled([][]byte{[]byte(`SIP;cause=408;text="The caller answers no more"`)})
	}
}
