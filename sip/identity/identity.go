// Package identity is what a SIP message says of who somebody is, besides From and
// To, and how much of that passes the border of the trust domain (RFC 3325 §4 and §9,
// RFC 3323). Inside are the nodes and the trunks that are trusted; phones and other
// trunks are outside. It knows neither DNs nor trunks: package proxy says on which
// side somebody is.
package identity

import (
	"bytes"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Domain is a side of the border.
type Domain uint8

const (
	// Outside nobody is believed, and nothing is told that somebody wants to be kept.
	Outside Domain = iota
	// Inside what is asserted is believed and passed on.
	Inside
	// Foreign are other networks that are not trusted: nobody is believed there, as Outside,
	// and told nothing of what others have asserted, unless who sent it says that he does not
	// mind (RFC 3325 §5 leaves that to the proxy).
	Foreign
)

// class says how far a header may go.
type class uint8

const (
	free class = iota
	// preferred is a wish to the first proxy, and goes no further.
	preferred
	// asserted tells who somebody is.
	asserted
	// past tells by whose doing a call comes.
	past
	// internal never leaves the trust domain: whom to charge, whom to serve.
	internal
)

// byLength are the headers that are not free, by the length of their names.
var byLength = func() (t [48][]entry) {
	for c, names := range map[class][]string{
		preferred: {"P-Preferred-Identity", "P-Preferred-Service"},
		asserted:  {"P-Asserted-Identity", "Remote-Party-ID", "P-Called-Party-ID", "Additional-Identity"},
		past:      {"Diversion", "CC-Diversion", "History-Info"},
		internal: {
			"P-Asserted-Service", "P-Charging-Vector", "P-Charging-Function-Addresses", "P-Charge-Info", "P-Served-User", "P-Profile-Key", "P-User-Database",
			"P-Visited-Network-ID", "P-Private-Network-Indication", "P-DCS-Trace-Party-ID", "P-DCS-OSPS", "P-DCS-Billing-Info", "P-DCS-LAES", "P-DCS-Redirect",
			"Attestation-Info", "Origination-Id", "Relayed-Charge",
		},
	} {
		for _, name := range names {
			t[len(name)] = append(t[len(name)], entry{name, c})
		}
	}
	return t
}()

type entry struct {
	name string
	class
}

func classOf(h *message.Header) class {
	if h.Kind != message.Other || len(h.Name) >= len(byLength) {
		return free
	}
	for _, e := range byLength[len(h.Name)] {
		if message.EqualFold(h.Name, e.name) {
			return e.class
		}
	}
	return free
}

// Border is what a message passes on its way from one domain to another.
type Border struct {
	From, To Domain
	asked    privacy
}

// Cross makes the border that m passes; false when it has nothing that is not free.
func Cross(m *message.Message, from, to Domain) (b Border, ok bool) {
	for i := range m.Headers {
		if ok = classOf(&m.Headers[i]) != free; ok {
			break
		}
	}
	b = Border{From: from, To: to}
	if ok {
		b.asked = privacyOf(m)
	}
	return b, ok
}

// Stops tells whether a header line goes no further.
func (b Border) Stops(h *message.Header) bool {
	switch c := classOf(h); c {
	case free:
		return false
	case asserted, past:
		return b.From != Inside || b.To != Inside && (b.asked.hides(c) || keepsItself(h)) || b.To == Foreign && !b.asked.waived
	case internal:
		return b.From != Inside || b.To != Inside
	case preferred:
	}
	return true
}

// keepsItself tells whether an entry of a header line asks that it goes no further: by its
// parameter privacy, that is off otherwise (RFC 5806 §4, Remote-Party-ID), or by the Privacy
// in the headers of its URI (RFC 7044 §10.1.2).
func keepsItself(h *message.Header) bool {
	for one := range message.Elements(h.Value) {
		a, _ := message.ParseAddress(one)
		v, said := message.Param(a.Params, "privacy")
		if said && !message.EqualFold(message.Bare(v), "off") {
			return true
		}
		u, _ := message.ParseURI(a.URI)
		if v := message.URIHeader(u.Headers, "privacy"); v != nil && !message.EqualFold(v, "none") {
			return true
		}
	}
	return false
}

// privacy is what who sent a message wants to be told to nobody outside: who he is, by whose
// doing the call comes; waived says that he does not mind.
type privacy struct{ identity, history, waived bool }

func (p privacy) hides(c class) bool { return p.identity || p.history && c == past }

// privacyOf is that as Privacy says (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1), or a
// From that names nobody.
func privacyOf(m *message.Message) (p privacy) {
	for v := range m.AllNamed("privacy") {
		for word := range bytes.FieldsFuncSeq(v, apart) {
			switch {
			case message.EqualFold(word, "none"):
				p.waived = true
			case message.EqualFold(word, "history"):
				p.history = true
			case !message.EqualFold(word, "critical") && !message.EqualFold(word, "session"): // these say nothing of who it is
				p.identity = true
			}
		}
	}
	p.identity = p.identity || !p.waived && m.IsRequest() && Anonymous(m.Get(message.From))
	return p
}

// Private tells whether nobody outside is to be told who sent the message.
func Private(m *message.Message) bool { return privacyOf(m).identity }

// Unmet tells whether somebody insists on a privacy that a proxy can't give: that From,
// headers of its own or the session be hidden (RFC 3323 §4.2, §5.1).
func Unmet(m *message.Message) bool {
	critical, more := false, false
	for v := range m.AllNamed("privacy") {
		for word := range bytes.FieldsFuncSeq(v, apart) {
			switch {
			case message.EqualFold(word, "critical"):
				critical = true
			case !message.EqualFold(word, "id") && !message.EqualFold(word, "none") && !message.EqualFold(word, "history"):
				more = true
			}
		}
	}
	return critical && more
}

// apart are what stands between the words of Privacy.
func apart(r rune) bool { return r == ';' || r == ',' || r == ' ' || r == '\t' }

// Asked tells whether there is a Privacy header, whatever it says.
func Asked(m *message.Message) bool {
	for range m.AllNamed("privacy") {
		return true
	}
	return false
}

// Anonymous tells whether the value of a From names nobody (RFC 3323 §4.1.1.3).
func Anonymous(from []byte) bool {
	a, _ := message.ParseAddress(from)
	u, ok := message.ParseURI(a.URI)
	if !ok || !u.IsSIP() {
		return false
	}
	return message.EqualFold(u.User, "anonymous") || message.IsNowhere(u.Host)
}

// Preferred is the user part, unescaped, of the identity that a phone wants to be
// known by (RFC 3325 §9.2); nil when it names none.
func Preferred(m *message.Message) []byte {
	for v := range m.AllNamed("p-preferred-identity") {
		one, _ := message.NextElement(v)
		a, _ := message.ParseAddress(one)
		if u, ok := message.ParseURI(a.URI); ok && u.IsSIP() {
			return message.AppendUnescaped(nil, u.User)
		}
	}
	return nil
}

// named yields the values of the headers of a name that has no Kind.
