package consensus

import "github.com/sipcluster/sipcluster/fsm"

// verdict is what the sums of the nodes at one index say of the own one.
type verdict uint8

const (
	// agreed: nobody has another one.
	agreed verdict = iota
	// differs: somebody has another one, and no majority says that it is the own one
	// that is wrong.
	differs
	// outvoted: a majority of the roster has the same other one.
	outvoted
)

// judge compares the own sum with those of others, by node; who does not know has
// none. roster counts all nodes. For outvoted it returns those of the majority, for
// differs those who differ.
func judge(own fsm.Sum, others map[string]fsm.Sum, roster int) (verdict, []string) {
	holders := map[fsm.Sum][]string{}
	var different []string
	for node, sum := range others {
		holders[sum] = append(holders[sum], node)
		if sum != own {
			different = append(different, node)
		}
	}
	for sum, nodes := range holders {
		if sum != own && len(nodes) > roster/2 {
			return outvoted, nodes
		}
	}
	if len(different) > 0 {
		return differs, different
	}
	return agreed, nil
}
