// Package problem is the set of faults that a node has at present: what `status`
// tells an operator, with what to do about it. A fault is reported where it is
// known (Begin, End) or looked up (Source); the log gets one line when it begins,
// one a minute while it lasts and one when it ends. It is no alarm and decides
// nothing. Wired by node; everything that has a fault to tell calls it.
package problem

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// again is how often the log hears of a fault that lasts; one that comes and
	// goes has no line of its own within that time of its last.
	again = time.Minute
	// most problems are kept at a time, so that no stranger can fill the set.
	most = 256
)

// Problem is one fault. Code and Subject together are its identity.
type Problem struct {
	// Code names the kind, in words with hyphens: for scripts and alerts.
	Code string
	// Subject is what has it (a store, a peer), "" where there can be only one.
	Subject string
	// Since is when it began; zero: when it was first reported.
	Since time.Time
	// Text says what is wrong, Advice what to do; "" where time helps. Both in plain
	// words, without a secret and without a full stop.
	Text, Advice string
}

// String is the problem in a line.
func (p *Problem) String() string {
	if p.Advice == "" {
		return p.Text
	}
	return p.Text + ": " + p.Advice
}

// Source reports the faults that there are now. It waits for nobody: no disk, no
// network.
type Source func(report func(Problem))

// Set of the present problems. Its methods may be called by anyone.
type Set struct {
	log     *slog.Logger
	looking sync.Mutex // held for a look at the sources
	sources []Source   // guarded by looking

	mu      sync.Mutex
	present map[id]*entry
	told    map[id]time.Time // the last line of each
	codes   map[string]bool  // all that there were
}

type id struct{ code, subject string }

type entry struct {
	Problem
	derived bool // by a source
	said    bool // its begin is in the log
}

// New makes an empty Set that tells log.
func New(log *slog.Logger) *Set {
	return &Set{log: log, present: map[id]*entry{}, told: map[id]time.Time{}, codes: map[string]bool{}}
}

// Follow has the set ask a source whenever somebody wants to know, and each second.
func (s *Set) Follow(from Source) {
	s.looking.Lock()
	defer s.looking.Unlock()
	s.sources = append(s.sources, from)
}

// Begin notes a fault, or other words for one that is noted.
func (s *Set) Begin(p Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(p, false)
}

// End notes that a fault is over; one that isn't there is no matter.
func (s *Set) End(code, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := (id{code, subject}); s.present[k] != nil {
		s.end(k)
	}
}

// List returns the present problems, ordered by code and subject.
func (s *Set) List() []Problem {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Problem, 0, len(s.present))
	for _, e := range s.present {
		list = append(list, e.Problem)
	}
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
	})
	return list
}

// Counts hands over how many problems of each code there are, of those codes too
// that there were.
func (s *Set) Counts(fn func(code string, n int)) {
	s.look()
	s.mu.Lock()
	counts := make(map[string]int, len(s.codes))
	for code := range s.codes {
		counts[code] = 0
	}
	for k := range s.present {
		counts[k.code]++
	}
	s.mu.Unlock()
	for code, n := range counts {
		fn(code, n)
	}
}

// look asks the sources: what they don't report any more is over.
func (s *Set) look() {
	s.looking.Lock()
	defer s.looking.Unlock()
	var found []Problem
	for _, from := range s.sources {
		from(func(p Problem) { found = append(found, p) })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(map[id]bool, len(found))
	for _, p := range found {
		there[id{p.Code, p.Subject}] = true
		s.begin(p, true)
	}
	for k, e := range s.present {
		if e.derived && !there[k] {
			s.end(k)
		}
	}
}

// begin is called with the lock held, like all below.
func (s *Set) begin(p Problem, derived bool) {
	k, now := id{p.Code, p.Subject}, time.Now()
	e := s.present[k]
	if e == nil {
		if len(s.present) >= most {
			return
		}
		e = &entry{Problem: Problem{Since: now}}
		s.present[k], s.codes[p.Code] = e, true
	}
	if p.Since.IsZero() {
		p.Since = e.Since
	}
	p.Text = strings.ReplaceAll(p.Text, "\n", "; ") // of errors that were joined
	e.Problem, e.derived = p, derived
	s.tell(k, e, now)
}

// tell has the log hear of a problem that it has not heard of lately.
func (s *Set) tell(k id, e *entry, now time.Time) {
	if last, ok := s.told[k]; ok && now.Sub(last) < again {
		return
	}
	what := "problem"
	if e.said {
		what = "problem lasts"
	}
	e.said, s.told[k] = true, now
	s.log.Warn(what, "problem", e.Code, "subject", e.Subject, "since", e.Since, "text", e.Text, "advice", e.Advice)
}

func (s *Set) end(k id) {
	e := s.present[k]
	delete(s.present, k)
	if e.said {
		s.log.Info("problem is over", "problem", e.Code, "subject", e.Subject, "lasted", time.Since(e.Since).Round(time.Millisecond))
	}
}
