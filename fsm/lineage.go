package fsm

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// A cluster whose majority was lost for good goes on from one survivor's copy. Each
// such recovery begins a line of its own under the same cluster id: what another
// line's nodes say of the configuration is never taken for this one's. It has a name,
// the recovery's: a number that counts them and something that no other recovery of
// the same copy has. In the store it stands behind the cluster's id.
const recoveryMark = "/"

// MaxRecovery bounds a recovery's name in bytes.
const MaxRecovery = 24

// Lineage is what nodes tell each other apart by: the cluster, and the recovery that
// its configuration comes from, "" where there was none.
func Lineage(cluster, recovery string) string {
	if recovery == "" {
		return cluster
	}
	return cluster + recoveryMark + recovery
}

// SplitLineage undoes Lineage.
func SplitLineage(lineage string) (cluster, recovery string) {
	cluster, recovery, _ = strings.Cut(lineage, recoveryMark)
	return cluster, recovery
}

// ValidRecovery tells whether s can be the name of a recovery.
func ValidRecovery(s string) bool {
	return s != "" && len(s) <= MaxRecovery && strings.Trim(s, "0123456789abcdef-") == ""
}

// Epoch identifies the cluster; "" before the bootstrap or join.
func (v *View) Epoch() string {
	cluster, _ := SplitLineage(v.epoch)
	return cluster
}

// Recovery is the name of the one that this configuration comes from; "" for none.
func (v *View) Recovery() string {
	_, recovery := SplitLineage(v.epoch)
	return recovery
}

// Lineage is that of the cluster's id and the recovery.
func (v *View) Lineage() string { return v.epoch }

// recoveredSkip is how far the index of a recovered configuration lies ahead, so that
// no revision that the lost nodes acknowledged is given out again.
const recoveredSkip = 1_000_000

// Recovered is the View as the beginning of another line.
func (v *View) Recovered() *View {
	cluster, before := SplitLineage(v.epoch)
	count := 1
	_, _ = fmt.Sscanf(before, "%d-", &count) // 1 when there was none
	var unique [6]byte
	_, _ = rand.Read(unique[:]) // never fails
	next := *v
	next.epoch = Lineage(cluster, fmt.Sprintf("%d-%s", count+1, hex.EncodeToString(unique[:])))
	next.index += recoveredSkip
	return &next
}
