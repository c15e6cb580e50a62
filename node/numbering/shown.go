package numbering

import (
	"cmp"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// Shown is how a trunk is told of a caller.
type Shown struct {
	// Number is "" for one that has none.
	Number, Name string
	// Withheld: only whom the cluster trusts may know the number.
	Withheld bool
	// Rule of outbound_numbers.caller that fitted, from 1; 0 for none.
	Rule int
}

// Show is how a trunk is told who calls, who says a number itself; false when it is told
// what the caller says.
func Show(v *fsm.View, from Caller, out *configpb.Trunk) (s Shown, ok bool) {
	d := v.DN(from.DN)
	number := from.Number
	if from.Trunk {
		number, _ = Apply(d.GetTrunk().GetInboundNumbers().GetCaller(), number)
	} else if c := cmp.Or(d.GetCallerId(), out.GetCallerId()); c != nil {
		number, s.Name, s.Withheld, ok = c.GetNumber(), c.GetName(), c.GetWithheld(), true
	}
	s.Number, s.Rule = Apply(out.GetOutboundNumbers().GetCaller(), number)
	return s, ok || s.Number != from.Number
}
