package routing

import (
	"fmt"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// TrunksTried is the key of the user data that say which addresses of trunks have not taken
// the call, and why: as in "4000 udp 192.0.2.1:5060 503 Service Unavailable", with "; "
// between them.
const TrunksTried = "TrunksTried"

// maxPassed bounds that in bytes; the last ones stay.
const maxPassed = 1024

// passedOver notes an address of a trunk that has not taken the call: its next event says
// so, wherever it goes.
func (j *journey) passedOver(trunk dn.Number, w invite.Way) {
	j.r.quotas.PassedOver(trunk)
	said := fmt.Sprintf("%s %s %d %.64s", trunk, w.Address, w.Code, w.Reason)
	if j.passedBy != "" {
		said = j.passedBy + "; " + said
	}
	j.passedBy = said[max(0, len(said)-maxPassed):]
	if _, err := j.r.calls.Attach(j.id, map[string]string{TrunksTried: j.passedBy}); err != nil {
		j.r.log.Debug("a call has no room for the trunks that were tried", "call", string(j.id), "err", err)
	}
}
