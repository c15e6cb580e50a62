package message

// class is a set of characters; a character of a text costs one look-up.
type class uint16

const (
	inToken  class = 1 << iota // of a token (RFC 3261 §25.1)
	inHost                     // of a host name or an IPv4 address, with the '_' that some have
	inSix                      // of an IPv6 address
	inScheme                   // of a scheme, behind its first
	letters
	// What must not be:
	outURI     // in a URI
	outAddress // in the URI of an address in angle brackets
	outBare    // in that of an address without
	outName    // in a display name without quotes
	outFront   // in front of the '<' that begins an address
	outValue   // in a parameter's value without quotes
)

var classes = func() (t [256]class) {
	const alphabet, digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	for c, chars := range map[class]string{
		inToken:    alphabet + digits + "-.!%*_+`'~",
		inHost:     alphabet + digits + "-._",
		inSix:      digits + "abcdefABCDEF:.",
		inScheme:   alphabet + digits + "+-.",
		letters:    alphabet,
		outURI:     "<>\"\x7f",
		outAddress: " \t<\"",
		outBare:    " \t,?<>\"",
		outName:    ",;<>\"",
		outFront:   ";\"",
		outValue:   ",<>",
	} {
		for _, b := range []byte(chars) {
			t[b] |= c
		}
	}
	for b := range ' ' + 1 {
		t[b] |= outURI
	}
	return t
}()

// all tells whether b has no other characters.
func (c class) all(b []byte) bool {
	for _, x := range b {
		if classes[x]&c == 0 {
			return false
		}
	}
	return true
}

// any tells whether b has one of them.
func (c class) any(b []byte) bool {
	for _, x := range b {
		if classes[x]&c != 0 {
			return true
		}
	}
	return false
}
