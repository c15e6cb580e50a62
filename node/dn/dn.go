// Package dn is the availability plane: which directory numbers (DNs) are in
// service, and which node owns each. It holds the node's own table, a copy of
// every peer's, and the rule that decides between them. It knows no network,
// no configuration and no SIP: sip and session write the own table,
// tcontroller feeds the copies, api and the routing read the result.
package dn

import "github.com/sipcluster/sipcluster/number"

// Number is a directory number.
type Number = number.Number

// MaxNumber is the greatest length of a Number in bytes.
const MaxNumber = number.Max

// ErrNumber says that a text is not a Number.
var ErrNumber = number.Err

// ParseNumber checks s. The error wraps ErrNumber.
func ParseNumber(s string) (Number, error) { return number.Parse(s) }

// ValidNumber tells whether s, a string or bytes, has the form of a Number.
func ValidNumber[T string | []byte](s T) bool { return number.Valid(s) }

// Node is a node's id: made at its first start and never reused, unlike its name.
type Node string

// State of a DN.
type State uint8

const (
	// OOS is out of service: nobody registered the DN, or its owner can't be heard.
	OOS State = iota
	// InSrv is in service.
	InSrv
)

func (s State) String() string {
	if s == InSrv {
		return "InSrv"
	}
	return "OOS"
}

// Reason says why a DN has its State.
type Reason uint8

// The reasons; the numbers are those of the API's enum.
const (
	// NoReason: the DN was never registered.
	NoReason Reason = iota
	// Registered: a phone or a desktop registered it.
	Registered
	// Unregistered: its user took the registration back.
	Unregistered
	// Expired: the registration was not refreshed in time, or its connection ended.
	Expired
	// DesktopLost: the desktop gateway's session ended.
	DesktopLost
	// PeerLost: the owner can't be heard from here.
	PeerLost
	// OwnerMoved: it went on in service at another node. With OOS: at one that
	// is not heard here.
	OwnerMoved
	// Deleted: the DN was deleted from the configuration.
	Deleted
	// Admin: the DN was disabled, or its node is draining.
	Admin
	// Unresponsive: its phone does not answer. With InSrv: it is being asked, and no
	// call is sent to it meanwhile.
	Unresponsive
	reasons
)

var reasonNames = [reasons]string{"", "registered", "unregistered", "expired", "desktop-lost", "peer-lost", "owner-moved", "deleted", "admin", "unresponsive"}

func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Claim is the stamp of an accepted registration. Claims are totally ordered
// and no two are equal: the owner of a DN is the node of its greatest claim.
type Claim struct {
	// Time is a hybrid logical clock in ns since the epoch: at least the wall
	// clock of the node, and greater than every claim on the DN it knew.
	Time int64
	Node Node
}

// Less orders claims by time, then by node.
func (c Claim) Less(d Claim) bool {
	return c.Time < d.Time || c.Time == d.Time && c.Node < d.Node
}

// Record is what a node says about a DN that is or was registered with it. Only
// that node writes it.
type Record struct {
	Number Number
	// ClaimTime is the time of the claim; its node is the record's writer.
	ClaimTime int64
	// Seq counts what the owner said under the claim: the later word counts.
	Seq    uint32
	State  State
	Reason Reason
	// Since is when State began, ns since the epoch.
	Since int64
	// Gone takes the record back: the writer has none any more.
	Gone bool
	// Agent at the DN; nil when nobody ever logged in.
	Agent *Agent
	// Reserved for a client.
	Reserved Reservation
	// Way that this registration is, of a phone with several, and the claim time up to
	// which no registration is one that it knew to be over.
	Way   Way
	Floor int64
	// Spoken are the media of the phones.
	Spoken Spoken
	// Said is when the agent was changed last: later than all that was known of it
	// then, ns since the epoch.
	Said int64
	// DoNotDisturb: it takes no calls, whatever its agent says.
	DoNotDisturb bool
	// CoolLeft is for how long still no call is sent to it because nobody answered the
	// last one, ns; as of the moment that it is read.
	CoolLeft int64
	// Desks are the registrations by clients of a phone's DN.
	Desks *Desks
	// AgentLeft is for how long still the agent's state lasts, ns; 0: until somebody
	// changes it.
	AgentLeft int64
}
