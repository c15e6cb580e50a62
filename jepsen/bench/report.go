package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	Part  string  `json:"part"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Least and Aim are what to reach; 0 is no target unless Targeted.
	Targeted bool    `json:"targeted,omitempty"`
	Least    float64 `json:"least,omitempty"`
	Aim      float64 `json:"aim,omitempty"`
	Verdict  string  `json:"verdict,omitempty"`
	Note     string  `json:"note,omitempty"`
}

// report collects the figures of a run.
type report struct {
	Started time.Time `json:"started"`
	Go      string    `json:"go"`
	CPUs    int       `json:"cpus"`
	Figures []figure  `json:"figures"`
}

func newReport() *report {
	return &report{Started: time.Now(), Go: runtime.Version(), CPUs: runtime.NumCPU()}
}

// add notes a figure without a target.
func (r *report) add(part, what string, value float64, unit, note string) {
	r.append(figure{Part: part, What: what, Value: value, Unit: unit, Note: note})
}

// below notes a figure that should be less than least, at best not more than aim.
func (r *report) below(part, what string, value float64, unit string, least, aim float64) {
	f := figure{Part: part, What: what, Value: value, Unit: unit, Targeted: true, Least: least, Aim: aim}
	switch {
	case value <= aim:
		f.Verdict = "aim"
	case value < least:
		f.Verdict = "ok"
	default:
		f.Verdict = "MISSED"
	}
	r.append(f)
}

// failed notes a part that came to no end.
func (r *report) failed(part string, err error) {
	r.append(figure{Part: part, What: "FAILED", Value: math.MaxFloat64, Verdict: "FAILED", Note: err.Error()})
}

// skipped notes loudly what could not be measured.
func (r *report) skipped(part, what, why string) {
	r.append(figure{Part: part, What: what, Verdict: "SKIPPED", Note: "needs " + why})
}

func (r *report) append(f figure) {
	r.Figures = append(r.Figures, f)
	fmt.Fprintf(os.Stderr, "#   %s: %s %s %s %s\n", f.What, f.text(f.Value), f.Unit, f.Verdict, f.Note)
}

func (f figure) text(v float64) string {
	switch {
	case f.Verdict == "FAILED" || f.Verdict == "SKIPPED":
		return "-"
	case v == math.Trunc(v) || math.Abs(v) >= 1000:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// table is the report for people.
func (r *report) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tWHAT\tMEASURED\tUNIT\tAT LEAST\tAIM\tVERDICT\tNOTE")
	for _, f := range r.Figures {
		least, aim := "", ""
		if f.Targeted {
			least, aim = f.text(f.Least), f.text(f.Aim)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.120s\n", f.Part, f.What, f.text(f.Value), f.Unit, least, aim, f.Verdict, f.Note)
	}
	_ = w.Flush() // to memory
	return b.String()
}

func (r *report) write(path string) error {
	if path == "" {
		return nil
	}
	for i := range r.Figures {
		if r.Figures[i].Verdict == "FAILED" {
			r.Figures[i].Value = 0
		}
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// quantile of samples, which it sorts; q = 1 is the greatest.
func quantile[T cmp.Ordered](samples []T, q float64) (x T) {
	if len(samples) == 0 {
		return x
	}
	slices.Sort(samples)
	i := int(math.Ceil(q*float64(len(samples)))) - 1
	return samples[min(max(i, 0), len(samples)-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
