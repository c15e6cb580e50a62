package history

// Operations of carriers, whose addresses answer and fall silent.
const (
	// CarrierTurn: the carrier's address that is the only one of the trunk Key, in the site
	// of Node, does from now on what Arg says.
	CarrierTurn Kind = "carrier-turn"
	// TrunkLook: Node says whether it reaches the trunk Key: Result.
	TrunkLook Kind = "trunk-look"
)

// What a carrier's address does.
const (
	SaysNothing   = "says nothing"
	TakesNoCall   = "answers OPTIONS"
	NobodyListens = "is closed"
)

// What a node says of a trunk.
const (
	Reached   = "in service"
	Unreached = "out of service"
)
