package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/report"
)

// printMeasured prints what was measured in all the runs below the
// directories, as a table in Markdown. Runs with faults built in don't count.
func printMeasured(dirs []string) (int, error) {
	var all []check.Measure
	var runs, findings int
	var total time.Duration
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*", "report.json"))
		if err != nil {
			return invalid, err
		}
		for _, file := range files {
			if strings.HasPrefix(filepath.Base(filepath.Dir(file)), "broken-") {
				continue
			}
			v, length, err := readReport(file)
			if err != nil {
				return invalid, err
			}
			runs, total, findings = runs+1, total+length, findings+len(v.Findings)
			all = append(all, v.Measures...)
		}
	}
	fmt.Printf("%d runs, %v in all, %d findings\n\n", runs, total.Round(time.Second), findings)
	fmt.Println("| measured | nemesis | times | p50 | p99 | worst | bound |\n|---|---|---|---|---|---|---|")
	for _, b := range report.Bounds(all) {
		fmt.Printf("| %s | `%s` | %d | %v | %v | **%v** | %v |\n", b.What, b.Nemesis, b.Count,
			b.P50.Round(time.Millisecond), b.P99.Round(time.Millisecond), b.Max.Round(time.Millisecond), b.Bound)
	}
	return passed, nil
}

func readReport(file string) (check.Verdict, time.Duration, error) {
	var r struct {
		Duration time.Duration `json:"duration"`
		Verdict  check.Verdict `json:"verdict"`
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r.Verdict, 0, fmt.Errorf("%s: %w", file, err)
	}
	return r.Verdict, r.Duration, nil
}
