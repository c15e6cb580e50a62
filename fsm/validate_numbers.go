package fsm

import (
	"strings"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Limits of what a trunk says of numbers and of its calls.
const (
	// MaxRules of a trunk in a direction, and MaxStrip characters that one takes off.
	MaxRules, MaxStrip = 32, 32
	// MaxTrunkCalls at a time and MaxTrunkRate in a second.
	MaxTrunkCalls, MaxTrunkRate = 100_000, 10_000
	// MinTrunkExpires and MaxTrunkExpires of a registration at a carrier, in seconds.
	MinTrunkExpires, MaxTrunkExpires = 60, 86_400
)

// checkCarrier checks what a trunk is told, and how much of it.
func checkCarrier(n string, t *configpb.Trunk) *Rejection {
	for _, rules := range [][]*configpb.NumberRule{
		t.GetInboundNumbers().GetCalled(), t.GetInboundNumbers().GetCaller(), t.GetOutboundNumbers().GetCalled(), t.GetOutboundNumbers().GetCaller(),
	} {
		if r := checkRules(n, rules); r != nil {
			return r
		}
	}
	if r := checkCallerID(n, t.GetCallerId()); r != nil {
		return r
	}
	for _, l := range []*configpb.TrunkLimit{t.GetInboundLimit(), t.GetOutboundLimit()} {
		if l.GetCalls() > MaxTrunkCalls || l.GetCallsPerS() > MaxTrunkRate {
			return reject(ErrInvalid, "DN %s: a limit of %d calls, %d calls_per_s: at most %d and %d", n, l.GetCalls(), l.GetCallsPerS(), MaxTrunkCalls, MaxTrunkRate)
		}
	}
	return checkRegistration(n, t)
}

// checkRegistration checks how the cluster registers at a carrier.
func checkRegistration(n string, t *configpb.Trunk) *Rejection {
	r := t.GetRegistration()
	if r == nil {
		return nil
	}
	switch {
	case r.GetUser() != "" && !validTrunkUser(r.GetUser()):
		return reject(ErrInvalid, "DN %s: registration user %.70q: %s", n, r.GetUser(), trunkUserRule)
	case r.GetCalled() != "" && !validTrunkUser(r.GetCalled()):
		return reject(ErrInvalid, "DN %s: registration called %.70q: %s", n, r.GetCalled(), trunkUserRule)
	case r.GetUser() == "" && t.GetOutboundAuth() == nil:
		return reject(ErrInvalid, "DN %s: registration has no user, and there is no outbound_auth that has one", n)
	case r.GetDomain() != "" && !ValidRealm(r.GetDomain()):
		return reject(ErrInvalid, "DN %s: registration domain %.80q: want a domain name", n, r.GetDomain())
	case r.GetExpiresS() != 0 && (r.GetExpiresS() < MinTrunkExpires || r.GetExpiresS() > MaxTrunkExpires):
		return reject(ErrInvalid, "DN %s: registration expires_s is %d: want %d to %d, or 0 for what is usual", n, r.GetExpiresS(), MinTrunkExpires, MaxTrunkExpires)
	}
	return nil
}

func checkRules(n string, rules []*configpb.NumberRule) *Rejection {
	if len(rules) > MaxRules {
		return reject(ErrInvalid, "DN %s: %d number rules in a direction, at most %d are possible", n, len(rules), MaxRules)
	}
	for _, r := range rules {
		match := strings.TrimSuffix(r.GetMatch(), "$")
		switch {
		case len(match) > configpb.MaxPrefix || strings.Trim(match, "0123456789+*#.") != "":
			return reject(ErrInvalid, `DN %s: number rule match %.40q: want at most %d of 0-9 + * # . and "$" at the end`, n, r.GetMatch(), configpb.MaxPrefix)
		case r.GetPrepend() != "" && !configpb.ValidPrefix(r.GetPrepend()):
			return reject(ErrInvalid, "DN %s: number rule prepend %.40q: want at most %d of 0-9 + * #", n, r.GetPrepend(), configpb.MaxPrefix)
		case r.GetStrip() > MaxStrip:
			return reject(ErrInvalid, "DN %s: number rule strip is %d: at most %d", n, r.GetStrip(), MaxStrip)
		}
	}
	return nil
}

func checkCallerID(n string, c *configpb.CallerID) *Rejection {
	switch {
	case c == nil:
		return nil
	case c.GetNumber() != "" && !validExternal(c.GetNumber()):
		return reject(ErrInvalid, "DN %s: caller_id number %.40q is not a number in E.164 form, as +15551234567", n, c.GetNumber())
	case c.GetName() != "" && !validDisplayName(c.GetName()):
		return reject(ErrInvalid, "DN %s: caller_id name: want at most %d octets of UTF-8 without control characters", n, MaxName)
	case c.GetNumber() == "" && !c.GetWithheld():
		return reject(ErrInvalid, "DN %s: caller_id has neither a number nor withheld", n)
	}
	return nil
}

// validDisplayName holds for what people are shown as somebody's name: any text on one line.
func validDisplayName(s string) bool {
	return len(s) <= MaxName && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029'
	})
}
