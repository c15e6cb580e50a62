package message

// Kind is a header that means something to us; Other is any other.
type Kind uint8

// The headers by name.
const (
	Other Kind = iota
	Via
	From
	To
	CallID
	CSeq
	MaxForwards
	ContentLength
	ContentType
	Contact
	Expires
	Authorization
	Require
	ProxyRequire
	Supported
	Path
	Route
	RecordRoute
	UserAgent
	ProxyAuthorization
	SessionExpires
	Reason
	// Origin is our own: the source address of a datagram, written by Tidy.
	Origin
	kinds
)

var kindNames = [kinds]string{"", "Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type",
	"Contact", "Expires", "Authorization", "Require", "Proxy-Require", "Supported", "Path", "Route", "Record-Route", "User-Agent", "Proxy-Authorization",
	"Session-Expires", "Reason", OriginName}

// OriginName is the header by which Tidy tells the source of a datagram. It
// never leaves the node, and is removed from what arrives.
const OriginName = "X-Sipcluster-Origin"

// String is the name of the header as RFC 3261 writes it.
func (k Kind) String() string { return kindNames[k] }

// KindOf recognises a header's name, whatever its case, and the compact forms.
func KindOf(name []byte) Kind {
	if len(name) == 1 {
		return compact(name[0] | 0x20)
	}
	of := byLength[min(len(name), len(byLength)-1)]
	for _, k := range of {
		if string(name) == kindNames[k] { // as nearly everybody writes it
			return k
		}
	}
	for _, k := range of {
		if EqualFold(name, kindNames[k]) {
			return k
		}
	}
	return Other
}

// byLength are the headers by the length of their names.
var byLength = func() (t [len(OriginName) + 2][]Kind) {
	for k := Via; k < kinds; k++ {
		t[len(kindNames[k])] = append(t[len(kindNames[k])], k)
	}
	return t
}()

func compact(c byte) Kind {
	switch c {
	case 'v':
		return Via
	case 'f':
		return From
	case 't':
		return To
	case 'i':
		return CallID
	case 'l':
		return ContentLength
	case 'c':
		return ContentType
	case 'm':
		return Contact
	case 'k':
		return Supported
	case 'x':
		return SessionExpires
	}
	return Other
}

// shortForms are the compact forms of headers that have no Kind (RFC 3261 §7.3.3,
// RFC 3515, RFC 3841, RFC 3892, RFC 6665 §8.2.1).
var shortForms = [256]string{
	'a': "accept-contact", 'b': "referred-by", 'd': "request-disposition", 'e': "content-encoding", 'j': "reject-contact",
	'o': "event", 'r': "refer-to", 's': "subject", 'u': "allow-events",
}

// Is tells whether it is a header that has no Kind, by its name in lower case, whatever
// the case in which it is written, or by its compact form.
func (h *Header) Is(name string) bool {
	if h.Kind != Other {
		return false
	}
	if len(h.Name) == 1 {
		return shortForms[lower(h.Name[0])] == name
	}
	return EqualFold(h.Name, name)
}

// single are the headers that may stand in a message only once.
func (k Kind) single() bool {
	switch k {
	case From, To, CallID, CSeq, MaxForwards, ContentType, Expires:
		return true
	}
	return false
}

// IsToken tells whether b is a token.
func IsToken(b []byte) bool { return len(b) > 0 && inToken.all(b) }

// Trim removes spaces and tabs at both ends; bytes.Trim is much slower.
func Trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// EqualFold compares ASCII without regard to case.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func hasPrefixFold(b []byte, s string) bool { return len(b) >= len(s) && EqualFold(b[:len(s)], s) }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// decimal reads digits; false for anything else and beyond limit.
func decimal(b []byte, limit int64) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > limit {
			return 0, false
		}
	}
	return n, true
}
