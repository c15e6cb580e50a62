package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// InUse is a DN, in an answer or an event, with what keeps calls from it.
type InUse interface {
	GetBusy() bool
	GetReserved() bool
	GetDoNotDisturb() bool
	GetCoolDown() *tcpb.CoolDown
	GetUses() *tcpb.Uses
}

// UseText is "busy, reserved", "1 call" of a DN that takes more, "dnd" for do not
// disturb, "cool-down 12s"; "-" for nothing.
func UseText(now time.Time, d InUse) string {
	var all []string
	switch calls := d.GetUses().GetUp() + d.GetUses().GetRinging(); {
	case d.GetBusy():
		all = append(all, "busy")
	case calls == 1:
		all = append(all, "1 call")
	case calls > 1:
		all = append(all, fmt.Sprintf("%d calls", calls))
	}
	if d.GetReserved() {
		all = append(all, "reserved")
	}
	if d.GetDoNotDisturb() {
		all = append(all, "dnd")
	}
	if c := d.GetCoolDown(); c != nil {
		all = append(all, "cool-down "+Until(now, c.GetEnds()))
	}
	return console.Dash(strings.Join(all, ", "))
}

// CallsText is what takes of a DN's capacity.
func CallsText(u *tcpb.Uses, capacity uint32) string {
	return fmt.Sprintf("%d up, %d ringing, %d reserved; takes %d", u.GetUp(), u.GetRinging(), u.GetReserved(), capacity)
}

// SkillsText is "sales=3 support=1".
func SkillsText(skills map[string]uint32) string {
	var all []string
	for _, group := range slices.Sorted(maps.Keys(skills)) {
		all = append(all, fmt.Sprintf("%s=%d", group, skills[group]))
	}
	return strings.Join(all, " ")
}

// UsesJSON is what takes of a DN's capacity; names and order are a contract.
type UsesJSON struct {
	Up       uint32 `json:"up"`
	Ringing  uint32 `json:"ringing"`
	Reserved uint32 `json:"reserved"`
}

// NewUsesJSON has zeros for a DN that nobody uses.
func NewUsesJSON(u *tcpb.Uses) UsesJSON {
	return UsesJSON{u.GetUp(), u.GetRinging(), u.GetReserved()}
}

// CoolDownJSON is for how long no call is sent to a DN; names and order are a contract.
type CoolDownJSON struct {
	Ends   string `json:"ends"`
	Reason string `json:"reason"`
}

// NewCoolDownJSON is nil for none.
func NewCoolDownJSON(c *tcpb.CoolDown) *CoolDownJSON {
	if c == nil {
		return nil
	}
	return &CoolDownJSON{RFC3339(c.GetEnds()), c.GetReason().Word()}
}
