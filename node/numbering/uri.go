package numbering

import (
	"strings"

	"github.com/sipcluster/sipcluster/sip/message"
)

// NumberOf is the number that a URI names: the user part without password and parameters,
// unescaped; of a tel URI, or of a user part that is one, without what makes it easier to
// read.
func NumberOf(u *message.URI) string {
	if subscriber := subscriberOf(u); subscriber != nil {
		number, _ := Telephone(subscriber)
		return number
	}
	user, _ := message.Leading(u.Name())
	return string(message.AppendUnescaped(nil, user))
}

// Numberless tells whether a URI has no number, as a domain alone: NumberOf is "" then.
func Numberless(u *message.URI) bool {
	if subscriber := subscriberOf(u); subscriber != nil {
		number, _ := Telephone(subscriber)
		return number == ""
	}
	user, _ := message.Leading(u.Name())
	return len(user) == 0
}

// subscriberOf is the telephone-subscriber of a URI (RFC 3966 §3, RFC 3261 §19.1.1); nil
// when it has none.
func subscriberOf(u *message.URI) []byte {
	if message.EqualFold(u.Scheme, "tel") {
		return u.Rest
	}
	if len(u.Params) > 0 {
		if user, _ := message.Param(u.Params, "user"); message.EqualFold(user, "phone") {
			return u.User
		}
	}
	return nil
}

// Telephone is the number of a tel URI, or of a SIP URI's user part that is one: without
// what makes it easier to read and without its parameters (RFC 3966 §3). context is its
// phone-context, "" for none: within which the number is one.
func Telephone(subscriber []byte) (number, context string) {
	digits, params := message.Leading(subscriber)
	if v, _ := message.Param(params, "phone-context"); len(v) > 0 {
		context = string(message.AppendUnescaped(nil, v))
	}
	return readable.Replace(string(message.AppendUnescaped(nil, digits))), context
}

var readable = strings.NewReplacer("-", "", ".", "", "(", "", ")", "")
