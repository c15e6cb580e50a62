package history

// Operations of phones that keep connections, and requests outside of calls.
const (
	// RegisterFlow: a REGISTER over the connection Arg of the phone Key at Node. It
	// lasts as long as the connection (HangUp ends it), its un-REGISTER and the
	// node's process let it.
	RegisterFlow Kind = "register-flow"
	// UnregisterFlow takes the registration over the connection Arg back.
	UnregisterFlow Kind = "unregister-flow"
	// OutOfDialog: a request outside of calls to the DN Key that arrives at Node; From
	// is its method, Code the final answer. Arg is Nobody for a DN that is not
	// configured. A phone that gets it answers 501, at once.
	OutOfDialog Kind = "out-of-dialog"
	// Sample: a call in quiet to the DN Key that arrives at Node, by From. Code is the final
	// answer, 501 a phone's; Arg the Call-ID.
	Sample Kind = "sample"
	// Arrival: the request whose ID is Arg came to a phone of the DN Key, which
	// registered at Node; once more when it was repeated.
	Arrival Kind = "arrival"
)

// Nobody is the Arg of an OutOfDialog to a DN that does not exist.
const Nobody = "nobody"
