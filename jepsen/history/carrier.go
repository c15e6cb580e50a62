package history

// Operations of carriers, whose addresses answer and fall silent.
const (
	// CarrierTurn: the carrier's address that is the only one of the trunk Key, in the site
	// of Node, does from now on what Arg says.
	CarrierTurn Kind = "carrier-turn"
	// TrunkLook: Node says whether it reaches the trunk Key: Result.
	TrunkLook Kind = "trunk-look"
	// CarrierEnrol: Node registered the contact Arg of the trunk Key at its carrier, for
	// Expires; 0: it took it back.
	CarrierEnrol Kind = "carrier-enrol"
)

// Outside is where telephones are that every node reaches by a carrier, whatever is cut.
const Outside = "outside"

// Operations of phones that transfer calls.
const (
	// Transfer: the phone From, in a call with the phone Arg, has it call the phone Key
	// instead, by REFER, and hangs up. Done when all that were asked agreed and nobody was
	// left in a call that somebody ended.
	Transfer Kind = "transfer"
	// Transferred: the call that came of it, until one of Arg and Key hangs up and the other
	// one hears it.
	Transferred Kind = "transferred"
	// TransferOver: From, Arg and Key, from the first call on; ok when the nodes answered
	// each of them that all of its calls are over.
	TransferOver Kind = "transfer-over"
	// BusyLook: Node says which of these phones are busy: Result, with blanks between them.
	BusyLook Kind = "busy-look"
)

// What a carrier's address does.
const (
	SaysNothing   = "says nothing"
	TakesNoCall   = "answers OPTIONS"
	NobodyListens = "is closed"
	TakesNothing  = "answers 503"
	TakesAll      = "takes registrations"
)

// What a node says of a trunk.
const (
	Reached   = "in service"
	Unreached = "out of service"
)
