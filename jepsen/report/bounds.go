package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
)

// Bound is what was measured of one thing under one nemesis.
type Bound struct {
	What    check.What      `json:"what"`
	Nemesis string          `json:"nemesis"`
	Count   int             `json:"count"`
	Min     time.Duration   `json:"min"`
	P50     time.Duration   `json:"p50"`
	P99     time.Duration   `json:"p99"`
	Max     time.Duration   `json:"max"`
	Bound   time.Duration   `json:"bound"`
	All     []time.Duration `json:"-"`
}

// Bounds groups measures by what and nemesis.
func Bounds(all []check.Measure) []Bound {
	type key struct {
		what    check.What
		nemesis string
	}
	groups := map[key]*Bound{}
	for _, m := range all {
		k := key{m.What, m.Nemesis}
		if groups[k] == nil {
			groups[k] = &Bound{What: m.What, Nemesis: m.Nemesis}
		}
		groups[k].All = append(groups[k].All, m.Took)
		groups[k].Bound = max(groups[k].Bound, m.Bound)
	}
	var out []Bound
	for _, b := range groups {
		slices.Sort(b.All)
		at := func(q float64) time.Duration { return b.All[int(q*float64(len(b.All)-1)+0.5)] }
		b.Count, b.Min, b.P50, b.P99, b.Max = len(b.All), at(0), at(0.5), at(0.99), at(1)
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Bound) int {
		return cmp.Or(cmp.Compare(order(a.What), order(b.What)), cmp.Compare(a.Nemesis, b.Nemesis))
	})
	return out
}

func order(w check.What) int {
	return slices.Index([]check.What{check.Detection, check.Convergence, check.Restart, check.FirstWrite, check.HandOver}, w)
}

// Strip is a picture of all measures against the bound.
func (b Bound) Strip() template.HTML {
	const width, height = 260.0, 20.0
	scale := float64(max(b.Bound, b.Max)) * 1.06
	x := func(d time.Duration) float64 { return float64(d) / scale * width }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="spread" viewBox="0 0 %g %g" width="%g" height="%g" role="img"><path class="axis" d="M0 10H%g"/>`, width, height, width, height, width)
	fmt.Fprintf(&s, `<path class="limit" d="M%.1f 2v16"><title>bound %s</title></path>`, x(b.Bound), short(b.Bound))
	step := max(1, len(b.All)/200)
	for i := 0; i < len(b.All); i += step {
		fmt.Fprintf(&s, `<circle cx="%.1f" cy="10" r="3.2"/>`, x(b.All[i]))
	}
	fmt.Fprintf(&s, `<path class="median" d="M%.1f 4v12"><title>median %s</title></path></svg>`, x(b.P50), short(b.P50))
	return template.HTML(s.String())
}
