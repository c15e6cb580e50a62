// Package report shows a judged run to people: an HTML page that needs nothing
// beside itself, with a picture of the whole run, what was found and what was
// measured; and the same figures as JSON for programs.
package report

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock": check.Clock, "short": short, "thousands": thousands, "join": strings.Join,
}).Parse(pageText))

// maxPictures limits how many findings get a picture of their own.
const maxPictures = 20

// stripLength is how much of a long run one of the closer pictures shows.
const stripLength = 2 * time.Minute

// view is what the page shows.
type view struct {
	History  *history.History
	Verdict  check.Verdict
	Headline string
	Summary  []fact
	Overview template.HTML
	Strips   []strip
	Findings []finding
	Bounds   []Bound
	Nodes    []legend
}

type fact struct{ Name, Value string }

type legend struct {
	Name, Site string
	Color      template.CSS
}

type strip struct {
	From, To time.Duration
	Picture  template.HTML
}

type finding struct {
	check.Finding
	Number  int
	Picture template.HTML
}

// HTML writes the page.
func HTML(w io.Writer, h *history.History, v check.Verdict) error {
	if err := page.Execute(w, newView(h, v)); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// document is the JSON report.
type document struct {
	history.Header
	Duration time.Duration `json:"duration"`
	Verdict  check.Verdict `json:"verdict"`
	Measured []Bound       `json:"measured"`
}

// JSON writes the run's header, the verdict and the measured bounds. Times
// are in nanoseconds.
func JSON(w io.Writer, h *history.History, v check.Verdict) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	if err := out.Encode(document{h.Header, h.End, v, Bounds(v.Measures)}); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func newView(h *history.History, v check.Verdict) view {
	p := newPainter(h, v)
	dns := sample(h, v, 5)
	out := view{History: h, Verdict: v, Headline: headline(v), Summary: summary(h), Bounds: Bounds(v.Measures)}
	out.Overview = p.draw(picture{span: check.Span{To: h.End}, dns: dns, marks: true})
	if h.End > stripLength*3/2 {
		closer := sample(h, v, 8)
		for from := time.Duration(0); from < h.End; from += stripLength {
			s := check.Span{From: from, To: min(from+stripLength, h.End)}
			out.Strips = append(out.Strips, strip{s.From, s.To, p.draw(picture{span: s, dns: closer, full: stripLength})})
		}
	}
	for i, f := range v.Findings {
		shown := finding{Finding: f, Number: i + 1}
		if i < maxPictures {
			shown.Picture = p.draw(picture{span: around(f.Window, h.End), dns: known(f.Keys, p, 6), window: &v.Findings[i].Window})
		}
		out.Findings = append(out.Findings, shown)
	}
	for i, n := range h.Nodes {
		out.Nodes = append(out.Nodes, legend{n.Name, n.Site, template.CSS(color(i))})
	}
	return out
}

// around is a window with some time before and after.
func around(w check.Span, end time.Duration) check.Span {
	margin := max((w.To-w.From)/4, 2*time.Second)
	return check.Span{From: max(0, w.From-margin), To: min(end, w.To+margin)}
}

func headline(v check.Verdict) string {
	switch v.Result {
	case check.Failed:
		return fmt.Sprintf("%d findings: what must hold did not hold", len(v.Findings))
	case check.Invalid:
		return "Nothing was wrong, but the run saw too little to say that it is right"
	default:
		return "Everything that was looked at was right"
	}
}

func summary(h *history.History) []fact {
	count := map[history.Outcome]int{}
	for i := range h.Ops {
		count[h.Ops[i].Outcome]++
	}
	clients := map[string]bool{}
	for i := range h.Ops {
		clients[h.Ops[i].Process] = true
	}
	return []fact{
		{"duration", short(h.End)},
		{"nodes", fmt.Sprint(len(h.Nodes))},
		{"faults", fmt.Sprint(len(h.Faults))},
		{"operations", thousands(len(h.Ops))},
		{"ok / fail / unknown", fmt.Sprintf("%s / %s / %s", thousands(count[history.OK]), thousands(count[history.Fail]), thousands(count[history.Unknown]))},
		{"clients", thousands(len(clients))},
		{"looks at tables", thousands(len(h.Polls))},
		{"items of streams", thousands(len(h.Items))},
	}
}

// thousands writes 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a duration with three digits at most.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

// sample chooses DNs worth showing: those of findings, then in turn one that
// moved a lot and one that stayed, so that all nodes own some.
func sample(h *history.History, v check.Verdict, n int) []string {
	moves, owner := map[string]int{}, map[string]string{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind != history.Register && op.Kind != history.RegisterAddress {
			continue
		}
		if owner[op.Key] != op.Node {
			moves[op.Key]++
			owner[op.Key] = op.Node
		}
	}
	restless := slices.SortedFunc(maps.Keys(moves), func(a, b string) int {
		return cmp.Or(cmp.Compare(moves[b], moves[a]), strings.Compare(a, b))
	})
	var out []string
	shown := map[string]int{} // settled ones by owner
	add := func(dn string) {
		if moves[dn] > 0 && len(out) < n && !slices.Contains(out, dn) {
			out = append(out, dn)
		}
	}
	for _, f := range v.Findings {
		for _, dn := range f.Keys[:min(2, len(f.Keys))] {
			add(dn)
		}
	}
	for i := 0; len(out) < min(n, len(restless)); i++ {
		add(restless[i/2])
		settled := slices.MinFunc(restless, func(a, b string) int {
			return cmp.Or(cmp.Compare(boolean(slices.Contains(out, a)), boolean(slices.Contains(out, b))),
				cmp.Compare(moves[a], moves[b]), cmp.Compare(shown[owner[a]], shown[owner[b]]), strings.Compare(a, b))
		})
		add(settled)
		shown[owner[settled]]++
	}
	slices.Sort(out)
	return out
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// known are those keys that are DNs in the run.
func known(keys []string, p *painter, n int) []string {
	var out []string
	for _, k := range keys {
		if p.isDN[k] && len(out) < n {
			out = append(out, k)
		}
	}
	return out
}
