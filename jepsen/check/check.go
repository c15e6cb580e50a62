// Package check judges a recorded run: pure functions from a history to what
// was wrong in it. There is one file a statement of the suite (S1, S2, ...),
// and beside them what they share: reach.go derives from the faults who can
// hear whom, truth.go from the clients' operations where each DN must be,
// view.go compares both with what the nodes said.
//
// Nothing is reported that could be right: an operation may take effect at any
// time until its return, one with an unknown outcome also later; a fault may
// be there from the begin of its injection to the end of its heal, and surely
// is from its confirmation to the begin of its heal; a poll saw each DN at
// some time while it was under way.
package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// ID of a statement, as in "S1".
type ID string

// statement is a row of the table of what must hold.
type statement struct {
	id    ID
	title string
	// judge returns what is wrong and how many things it looked at.
	judge func(*model) ([]Finding, int)
}

// statements that are checked.
var statements = []statement{
	{"S1", "no stale InSrv: a node that cannot hear the owner lists its DNs as OOS", staleInSrv},
	{"S2", "own DNs are immune to faults elsewhere", ownImmune},
	{"S3", "one owner: after a heal the newest registration, everywhere", oneOwner},
	{"S4", "no resurrection: what ended stays ended, what is newer stays", noResurrection},
	{"S5", "in quiet every table is the union of what the phones were told", unionOfTruth},
	{"S6", "streams have no gap, no duplicate and agree with the tables", streams},
	{"S7", "an acknowledged registration survives kill -9", survivesKill},
	{"S8", "the configuration is linearizable", linearizable},
	{"S9", "every acknowledged write of the configuration survives", all(configurationSurvives, objectsSurvive)},
	{"S10", "a minority refuses writes clearly and goes on locally", minority},
	{"S11", "one leader a term; a healed follower deposes nobody; who stops in good order hands the lead over", all(leadership, handedOver)},
	{"S12", "calls survive: they work, and are shown while they are up", callsSurvive},
	{"S13", "a call rings at one DN at a time, a request at its own, and ends soon when it is lost", all(routed, outOfDialogDelivered)},
	{"S14", "after the heal everybody hears everybody and writes succeed", all(liveness, firstWrites)},
	{"S15", "bounded noise: no false loss, at most one change a cut", boundedNoise},
	{"S16", "nothing of an old incarnation or a paused node comes back", fencing},
	{"S17", "a wrong clock changes no view and no expiry", wrongClock},
	{"S18", "a peer's word about DNs of others changes nothing", authority},
	{"S19", "a reservation has one holder, and only the owner's side grants it", all(reservation, oneHolder)},
	{"S20", "answerable: a DN whose phone said nothing to a call is not routable until it speaks", answerable},
	{"S21", "a DN is busy while a call is up with it, wherever it is registered, and no longer", busyIsCalls},
	{"S22", "nothing is left behind: reservations end by themselves, no phone rings without a caller", all(nothingLeft, nobodyRings)},
	{"S23", "a phone with two ways is in service wherever one of them is heard, with one owner where both are", standby},
	{"S24", "no two processes vote under one id, an address that changes hands changes no quorum, a removal leaves one", all(secondProcesses, quorumOfItsOwn, removalsLeaveAWriter, rosterFollows)},
	{"S25", "one state: nodes at the same index have the same configuration, of whatever version", oneState},
	{"S26", "a drain loses nobody: what is registered stays in service, and only what is new is sent away", all(drainLosesNobody, drainSendsAway)},
	{"S28", "whoever holds what is another's, or what is over, is taken for nothing by it", clientsAuthority},
	{"S29", "an agent is logged in at one DN, the last one, and nobody gets him where he left", oneLogin},
	{"S30", "what is counted of agents is what the tables say", sumsOfTables},
	{"S31", "a disk that does not answer holds up no phone, no call and no other node", stalledDisk},
	{"S32", "a trunk is in service where its site is heard while somebody answers there, and no longer", trunksTell},
	{"S33", "of the nodes that hear each other one is registered at a carrier, and no other", enrolments},
	{"S34", "a transfer works where nothing breaks it, and leaves nobody in a call that its phones have ended", transfers},
	{"S35", "in quiet a call to a DN that all nodes list in service rings its phone, to another one nobody", calledAsAgreed},
}

// all joins what several parts of a statement find.
func all(parts ...func(*model) ([]Finding, int)) func(*model) ([]Finding, int) {
	return func(m *model) (out []Finding, looked int) {
		for _, part := range parts {
			found, n := part(m)
			out, looked = append(out, found...), looked+n
		}
		return out, looked
	}
}

// Finding is one thing that was wrong.
type Finding struct {
	Statement ID `json:"statement"`
	// Text says it in one sentence.
	Text string `json:"text"`
	// Window is the smallest stretch of the run that shows it.
	Window Span `json:"window"`
	// Events of the window, in order.
	Events []Event `json:"events"`
	// Nodes and Keys (DNs, objects) concerned.
	Nodes []string `json:"nodes,omitempty"`
	Keys  []string `json:"keys,omitempty"`
	// Times: how many observations show the same.
	Times int `json:"times"`
}

// Event is a part of a Finding.
type Event struct {
	At time.Duration `json:"at"`
	// To is the end of what took time; At when it was a moment.
	To   time.Duration `json:"to"`
	Node string        `json:"node,omitempty"`
	Text string        `json:"text"`
}

// Result of a run.
type Result string

const (
	// Passed: everything that was looked at was right.
	Passed Result = "passed"
	// Failed: something was wrong.
	Failed Result = "failed"
	// Invalid: the run saw too little to say so, or the machine stood still.
	Invalid Result = "invalid"
)

// Verdict of a run.
type Verdict struct {
	Result Result `json:"result"`
	// Reasons why it is invalid.
	Reasons  []string  `json:"reasons,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Checked has a row for each statement, in order.
	Checked  []Checked `json:"checked"`
	Measures []Measure `json:"measures,omitempty"`
}

// Checked says how much a statement was tried.
type Checked struct {
	Statement ID     `json:"statement"`
	Title     string `json:"title"`
	// Looked is how many things were judged: 0 means that the run did not try it.
	Looked   int `json:"looked"`
	Findings int `json:"findings"`
}

// All judges the history by the bounds; those that are zero have the defaults.
func All(h *history.History, b history.Bounds) Verdict {
	m := newModel(h, b.WithDefaults())
	v := Verdict{Result: Passed, Measures: measure(m)}
	for _, s := range statements {
		found, looked := s.judge(m)
		for i := range found {
			found[i].Statement = s.id
			found[i].tidy()
		}
		slices.SortFunc(found, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Window.From, b.Window.From), cmp.Compare(a.Text, b.Text))
		})
		v.Findings = append(v.Findings, found...)
		v.Checked = append(v.Checked, Checked{s.id, s.title, looked, len(found)})
	}
	v.Reasons = saw(m)
	switch {
	case len(h.Stalls) > 0: // what was found may be the machine's
		v.Result = Invalid
	case len(v.Findings) > 0:
		v.Result = Failed
	case len(v.Reasons) > 0:
		v.Result = Invalid
	}
	return v
}

// tidy orders the events, derives the window from them when it is not set,
// and counts at least once.
func (f *Finding) tidy() {
	slices.SortStableFunc(f.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	for _, e := range f.Events {
		if f.Window == (Span{}) {
			f.Window = Span{e.At, e.To}
		}
		f.Window = Span{min(f.Window.From, e.At), max(f.Window.To, e.To)}
	}
	slices.Sort(f.Nodes)
	f.Nodes = slices.Compact(f.Nodes)
	slices.Sort(f.Keys)
	f.Keys = slices.Compact(f.Keys)
	f.Times = max(f.Times, 1)
}

// String is the finding as a test prints it.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s (%s to %s, %d times)", f.Statement, f.Text, Clock(f.Window.From), Clock(f.Window.To), f.Times)
	for _, e := range f.Events {
		s += fmt.Sprintf("\n  %s %-6s %s", Clock(e.At), e.Node, e.Text)
	}
	return s
}

// Clock writes a time of the run for people: minutes, seconds, milliseconds.
func Clock(t time.Duration) string {
	if t == history.Never {
		return "never"
	}
	t = t.Round(time.Millisecond)
	return fmt.Sprintf("%02d:%06.3f", int(t/time.Minute), (t % time.Minute).Seconds())
}
