package history

// Operations of telephones that place and take calls. Arg is the SIP Call-ID,
// which is the same along the whole way of a call.
const (
	// Enrol registers the telephone Key at Node: it stays there and only makes
	// calls, and nobody looks for it in tables. Arg Trunk: it is a telephone
	// outside, Key its number, behind a gateway at Node that registers nowhere:
	// the node answered it; From is the DN of the agent whose telephone it is, if it
	// is one's. Arg Roaming: it goes from node to node.
	Enrol Kind = "enrol"
	// Dial: the telephone From calls the number Key by way of Node. Ok when it was
	// answered, failed with Code otherwise: 487 when the caller gave up.
	Dial Kind = "dial"
	// Ring: a call From a telephone rings at the telephone Key, from its INVITE
	// until it was answered and the answer was acknowledged (ok), or not (failed
	// with Code: 486 refused, 487 given up). Unknown: nobody acknowledged the answer.
	Ring Kind = "ring"
	// Talk: the called telephone Key is in the call, from the caller's ACK until
	// one of the two hangs up.
	Talk Kind = "talk"
	// Within is a request within a call by the telephone Key: From is its method.
	Within Kind = "within"
	// Silence: the telephone Key says nothing any more in the call Arg, which goes by
	// Node, and does not hang up: From is the transport of the connection that it
	// closes, "" when it is there and only deaf and dumb. Arg "": it is in no call, and
	// speaks again when it registers, with the same device.
	Silence Kind = "silence"
	// Route: the router Arg sends the call Result, which waits at a routing point
	// of Node, to the DN Key: ok when it left the routing point.
	Route Kind = "route"
)

// Trunk is the Arg of an Enrol of a telephone outside, Roaming that of one which
// goes from node to node, and calls by way of nodes where it isn't registered.
const (
	Trunk   = "trunk"
	Roaming = "roaming"
)

// What the observer of a node's calls was told, or did. It follows calls alone.
const (
	// CallsOpened: the observer asks for the calls; what it knew is void.
	CallsOpened ItemKind = "calls-opened"
	// CallTold: a call event, of the snapshot or the tail: DN, Owner and Call.
	CallTold ItemKind = "call"
	// CallsWhole: the snapshot is over.
	CallsWhole ItemKind = "calls-whole"
	// CallsClosed: nothing more comes.
	CallsClosed ItemKind = "calls-closed"
)

// Call is what is said of a call at one DN.
type Call struct {
	// ID is the ConnID.
	ID string `json:"id"`
	// State at the DN: "ringing", "established", "released", "abandoned".
	State string `json:"state"`
	// Caller is the calling telephone's DN, Called the number that it dialled.
	Caller string `json:"from"`
	Called string `json:"to"`
}
