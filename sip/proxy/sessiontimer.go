package proxy

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
)

// sessionTimer is the Session-Expires of a call whose session timer we ask for, in seconds
// (RFC 4028 §8); 0 for others.
type sessionTimer uint32

// sessionAsked is what is asked for (§8.1), and sessionMost the longest timer that ends
// anything in time: the sides of a call that wants more are left alone.
const sessionAsked, sessionMost = 1800, 86_400

// timerOf tells whether an INVITE's caller supports timers and names none. What it takes
// at least, its Min-SE says (§8.1).
func timerOf(c *Call) sessionTimer {
	if !c.invite || c.req.Has(message.SessionExpires) || !message.HasOption(slices.Collect(c.req.All(message.Supported)), "timer") {
		return 0
	}
	least, _ := message.Leading(c.req.Named("min-se"))
	n, err := strconv.ParseUint(string(least), 10, 32)
	switch {
	case len(least) > 0 && (err != nil || n > sessionMost):
		return 0
	default:
		return max(sessionAsked, sessionTimer(n))
	}
}

// lines of the INVITE.
func (t sessionTimer) lines() []byte {
	if t == 0 {
		return nil
	}
	return fmt.Appendf(nil, "Session-Expires: %d\r\n", t)
}

// answerLines makes the caller refresh when the phone knows no timers (§8.2).
func (t sessionTimer) answerLines(res *message.Message) []byte {
	if t == 0 || res.Has(message.SessionExpires) {
		return nil
	}
	lines := fmt.Appendf(nil, "Session-Expires: %d;refresher=uac\r\n", t)
	if !message.HasOption(slices.Collect(res.All(message.Require)), "timer") {
		lines = append(lines, "Require: timer\r\n"...)
	}
	return lines
}
