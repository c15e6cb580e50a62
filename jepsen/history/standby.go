package history

// Operations of a phone that is registered at two nodes, each in a site where a
// part of it stands.
const (
	// RegisterWay: the phone Key is registered, or refreshed, at Node, beside the other way
	// that it has. Expires is as of Register.
	RegisterWay Kind = "register-way"
	// UnregisterWay takes that registration back, and no other.
	UnregisterWay Kind = "unregister-way"
	// CallWay: a telephone in the site of Node calls Key by way of Node. The phone answers at
	// once, wherever it rings.
	CallWay Kind = "call-way"
)
