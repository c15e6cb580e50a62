// Package broken builds servers with a fault in them, to see that the checks
// find it. A fault is a change of a line or two of the server's source, put
// in place by `go build -overlay`: so neither the source nor the product's
// binary knows of it. A test makes sure that every change still fits.
package broken

import (
	"slices"
	"time"
)

// Fault is a way to break the server, and the cheapest check that must find it:
// a unit test (Package), a test with real clusters (E2E) or a scenario of the
// chaos suite (Scenario). A fault may have several; Layer is the first of them.
type Fault struct {
	Name, What string
	Kind       Kind
	// Edits of the source.
	Edits []Edit

	// Package of the module whose tests fail, as "./node/dn", and which of them
	// (as for go test -run); "" means all.
	Package, Run string
	// E2E is the test of jepsen/e2e that fails.
	E2E string
	// Scenario that finds it within For, and the statements (S1, ...) one of
	// which it breaks.
	Scenario   string
	For        time.Duration
	Statements []string
	// Settle is how long the cluster is left alone after the faults; 0: as
	// long as it may take after a restart.
	Settle time.Duration

	// added are files that the edits need, by their names in the module.
	added map[string]string
}

// by names the scenario too that finds the fault, within that time, by one of the statements.
func (f Fault) by(scenario string, within time.Duration, statements ...string) Fault {
	f.Scenario, f.For, f.Settle, f.Statements = scenario, within, time.Second, statements
	return f
}

// Edit replaces a text that is there exactly once in a file of the module.
type Edit struct{ File, Old, New string }

// Kind is what sort of mistake a fault is.
type Kind string

// The kinds.
const (
	Proxy         Kind = "proxy"         // what RFC 3261 asks of a proxy, on every way out
	Timers        Kind = "timers"        // started, armed again, stopped
	Registrations Kind = "registrations" // of phones and desktops, over every transport
	Claims        Kind = "claims"        // who owns a DN
	Links         Kind = "links"         // between nodes, and the verdict on a peer
	Streams       Kind = "streams"       // each change once, after a resume too
	Snapshots     Kind = "snapshots"     // nothing left out of one
	Durability    Kind = "durability"    // what was acknowledged is kept
	Consensus     Kind = "consensus"     // who waits for the quorum, and who must not
	Reservations  Kind = "reservations"  // one holder, and an end
	Agents        Kind = "agents"        // their state follows the DN
	Calls         Kind = "calls"         // routed where they belong, told once
	Leaks         Kind = "leaks"         // nothing is left behind
	Bounds        Kind = "bounds"        // nothing grows, nobody waits without one
	Latency       Kind = "latency"       // late is wrong
	Wires         Kind = "wires"         // who calls whom
	Trust         Kind = "trust"         // who is believed, what nobody else is told
	Access        Kind = "access"        // who may do what
	Statistics    Kind = "statistics"    // the sums are those of the tables
)

// Layer is where a fault is found.
type Layer string

// The layers, the cheapest first.
const (
	Unit  Layer = "unit"  // seconds: a test of the package, without the race detector
	E2E   Layer = "e2e"   // a minute: a real cluster
	Chaos Layer = "chaos" // minutes: a cluster that is broken at random
)

// Layer is the cheapest that must find the fault.
func (f *Fault) Layer() Layer {
	switch {
	case f.Package != "":
		return Unit
	case f.E2E != "":
		return E2E
	}
	return Chaos
}

// All faults. Each area has a file of its own.
func All() []Fault {
	return slices.Concat(
		planeFaults(),
		distanceFaults(),
		sessionFaults(),
		peopleFaults(),
		edgeFaults(),
		writtenFaults(),
		callFaults(),
		carrierFaults(),
		busyFaults(),
		queueFaults(),
		answerableFaults(),
		drainFaults(),
		phoneFaults(),
		streamFaults(),
		timerFaults(),
		leakFaults(),
		reservationFaults(),
		wireFaults(),
		forwardingFaults(),
		routeFaults(),
		durabilityFaults(),
		configurationFaults(),
		freshNodeFaults(),
		freshNodeAgain(),
		freshThird(),
		freshFourth(),
		freshSIPFaults(),
		brakeFaults(),
		peerFaults(),
		trustFaults(),
		accessFaults(),
		identityFaults(),
		recoveryFaults(),
		membershipFaults(),
		standbyFaults(),
		policyFaults(),
		loginFaults(),
		desktopFaults(),
		diagnosisFaults(),
		sizeFaults(),
		waitFaults(),
		numberFaults(),
	)
}

// Of returns the faults that the layer must find.
func Of(layer Layer) []Fault {
	return slices.DeleteFunc(All(), func(f Fault) bool { return f.Layer() != layer })
}

// Quick are the names of some that are found within a minute: enough to see in
// every build that the suite can fail.
func Quick() []string { return []string{"peer-loss", "lost-event", "tcp-unregister-all"} }

// Find returns the fault of that name, nil when there is none.
func Find(name string) *Fault {
	for _, f := range All() {
		if f.Name == name {
			return &f
		}
	}
	return nil
}
