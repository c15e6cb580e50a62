package broken

import _ "embed" // for the source of what is next

//go:embed next.go.txt
var nextSource string

// Next is no fault but a program to come, with the fault in it, if any: its state
// machine knows one feature level more than this one, whichever that is. From that
// level on an entry of the log means something else.
func Next(fault *Fault) *Fault {
	next := &Fault{
		Name: "next-level", What: "a program that knows one feature level more",
		Edits: []Edit{
			{"fsm/level.go", "func Program() Features {", "func programBefore() Features {"},
			{"fsm/apply.go", "	v.Revision = d.view.index\n	d.view.share(v)\n", "	v.Revision = d.view.index\n	d.view.meansNext(v)\n	d.view.share(v)\n"},
		},
		added: map[string]string{"fsm/level_next.go": nextSource},
	}
	if fault != nil {
		next.Name += "-" + fault.Name
		next.Edits = append(fault.Edits, next.Edits...)
	}
	return next
}
