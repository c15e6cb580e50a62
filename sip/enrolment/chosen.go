package enrolment

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Chosen is the node whose turn it is to register for a trunk, of those that are there:
// the one with the greatest sum over both. So each side of a cut has one, without a word to
// anybody, and the trunks of a node that is lost are shared by the others while theirs stay
// where they are. "" of none.
func Chosen(trunk dn.Number, nodes []dn.Node) (chosen dn.Node) {
	var most uint64
	for _, n := range nodes {
		sum := sha256.Sum256([]byte(string(n) + "\x00" + string(trunk)))
		if of := binary.BigEndian.Uint64(sum[:]); chosen == "" || of > most || of == most && n < chosen {
			chosen, most = n, of
		}
	}
	return chosen
}
