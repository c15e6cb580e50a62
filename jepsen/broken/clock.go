package broken

import _ "embed" // for the clock's source

//go:embed clock.go.txt
var clockSource string

// Clock is no fault of the server but a server whose wall clock can be set
// wrong from outside, as if somebody set the machine's: by the file "clock"
// beside the data directory, in seconds.
func Clock() *Fault {
	return &Fault{
		Name: "clock", What: "a wall clock that can be set wrong",
		Edits: []Edit{
			{"node/node.go", `location.Config{Dir: filepath`, `location.Config{Now: wrongNow, Dir: filepath`},
			{"node/node.go", `dn.Config{Self: dn.Node`, `dn.Config{Now: wrongNow, Self: dn.Node`},
			{"node/node.go", `sip.New(sip.Config{`, `sip.New(sip.Config{Now: wrongNow,`},
		},
		added: map[string]string{"node/clock_wrong.go": clockSource},
	}
}
