package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/sip/answer"
)

// ringAgain is after how long what the caller was told of its wait is repeated
// (RFC 3261 §13.3.1.1).
const ringAgain = time.Minute

// Ring tells the caller that it has to wait: 180, again each minute.
func (c *Call) Ring() {
	c.sh.Lock()
	defer c.sh.Unlock()
	if !c.final && !c.rang {
		c.rang, c.reliable = true, reliableOf(c)
		c.word = answer.Answer{Code: 180, Reason: "Ringing"}
		c.sh.waiting[c.earlyKey()] = c
		c.Fire(0)
		c.probe = newCallerProbe(c)
		c.probe.start()
	}
}

var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Tell says more to a caller that waits, in place of the 180: a provisional code, and why,
// which phones show. Some show a Warning, so it says the same (RFC 3261 §20.43).
func (c *Call) Tell(code int, reason string) {
	c.sh.Lock()
	defer c.sh.Unlock()
	if c.final || !c.rang {
		return
	}
	c.word = answer.Answer{Code: code, Reason: answer.Phrase(reason)}
	c.word.Header("Warning", fmt.Sprintf(`399 %s "%s"`, c.in.machine.View().Options().GetRealm(), quotable.Replace(c.word.Reason)))
	c.Fire(0)
}

// Fire implements transaction.AlarmHandler: it says again that the caller has to wait.
func (c *Call) Fire(uint8) {
	c.rings.Set(ringAgain)
	if c.reliable != nil {
		c.reliable.ring()
		return
	}
	a := c.inEarly()
	_ = c.srv.Respond(a.Code, c.sh.answer(c.req, &a)) // it is repeated
}
