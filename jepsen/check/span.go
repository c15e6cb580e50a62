package check

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Span is a stretch of time, both ends included.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

func (s Span) empty() bool                { return s.To < s.From }
func (s Span) overlaps(o Span) bool       { return s.From <= o.To && o.From <= s.To }
func (s Span) contains(o Span) bool       { return s.From <= o.From && o.To <= s.To }
func (s Span) common(o Span) Span         { return Span{max(s.From, o.From), min(s.To, o.To)} }
func (s Span) wider(d time.Duration) Span { return Span{minus(s.From, d), plus(s.To, d)} }

// plus adds without passing Never.
func plus(t, d time.Duration) time.Duration {
	if t > history.Never-d {
		return history.Never
	}
	return t + d
}

// minus subtracts; Never stays.
func minus(t, d time.Duration) time.Duration {
	if t == history.Never {
		return t
	}
	return t - d
}

// spans are ordered and apart from each other.
type spans []Span

// union orders and joins what overlaps or touches.
func union(all ...Span) spans {
	all = slices.DeleteFunc(slices.Clone(all), Span.empty)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out spans
	for _, s := range all {
		if n := len(out); n > 0 && s.From <= plus(out[n-1].To, 1) {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// find returns the index of the first span that does not end before t.
func (ss spans) find(t time.Duration) int {
	return sort.Search(len(ss), func(i int) bool { return ss[i].To >= t })
}

// cover tells whether one of the spans contains s.
func (ss spans) cover(s Span) bool {
	i := ss.find(s.From)
	return i < len(ss) && ss[i].contains(s)
}

// touch tells whether any of the spans overlaps s.
func (ss spans) touch(s Span) bool {
	i := ss.find(s.From)
	return i < len(ss) && ss[i].overlaps(s)
}

// rest is all the time from 0 that the spans leave out.
func (ss spans) rest() spans {
	var out spans
	from := time.Duration(0)
	for _, s := range ss {
		if s.From > from {
			out = append(out, Span{from, s.From - 1})
		}
		if s.To == history.Never {
			return out
		}
		from = max(from, s.To+1)
	}
	return append(out, Span{from, history.Never})
}

// both is the time that is in ss and in os.
func (ss spans) both(os spans) spans {
	var out []Span
	for _, s := range ss {
		for _, o := range os {
			out = append(out, s.common(o))
		}
	}
	return union(out...)
}
