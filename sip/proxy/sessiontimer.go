package proxy

import (
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/sip/message"
)

// sessionTimer is true for a call whose session timer we ask for
// (RFC 4028 §8).
type sessionTimer bool

// sessionAsked is the Session-Expires that is asked for, in seconds (§8.1).
const sessionAsked = "1800"

// asksTimer tells whether an INVITE's caller supports timers and names none.
func asksTimer(c *Call) sessionTimer {
	return sessionTimer(c.invite && !c.req.Has(message.SessionExpires) &&
		message.HasOption(slices.Collect(c.req.All(message.Supported)), "timer"))
}

// lines of the INVITE.
func (t sessionTimer) lines() []byte {
	if !t {
		return nil
	}
	return []byte("Session-Expires: " + sessionAsked + "\r\n")
}

// answerLines makes the caller refresh when the phone knows no timers (§8.2).
func (t sessionTimer) answerLines(res *message.Message) []byte {
	if !bool(t) || res.Has(message.SessionExpires) {
		return nil
	}
	lines := "Session-Expires: " + sessionAsked + ";refresher=uac\r\n"
	if !strings.Contains(string(res.Get(message.Require)), "timer") {
		lines += "Require: timer\r\n"
	}
	return []byte(lines)
}
