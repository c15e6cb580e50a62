package enrolment

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Chosen is the node whose turn it is to register for a trunk, of those that are there:
// of the ones that do not pass their turn on, or of all when each does, the one with the
// greatest sum over both. So each side of a cut has one, without a word to anybody, and the
// trunks of a node that is lost are shared by the others while theirs stay where they are.
// "" of none.
func Chosen(trunk dn.Number, nodes []dn.Node, passes func(dn.Node) bool) (chosen dn.Node) {
	var most uint64
	all := true // that were looked at pass
	for _, n := range nodes {
		out := passes(n)
		if out && !all {
			continue
		}
		sum := sha256.Sum256([]byte(string(n) + "\x00" + string(trunk)))
		of := binary.BigEndian.Uint64(sum[:])
		if chosen == "" || all && !out || of > most || of == most && n < chosen {
			chosen, most = n, of
		}
		all = all && out
	}
	return chosen
}

// nobody passes.
func nobody(dn.Node) bool { return false }
