package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

// judge reads the stored history of a run, judges it, writes the report beside
// it and prints the verdict.
func judge(dir string) (check.Verdict, error) {
	h, err := history.Load(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return check.Verdict{}, err
	}
	start := time.Now()
	v := check.All(h, h.Bounds)
	printVerdict(h, v, time.Since(start))
	return v, writeReport(dir, h, v)
}

func judgeAgain(dir string) (int, error) {
	v, err := judge(dir)
	return exitCode(v, err), err
}

func writeReport(dir string, _ *history.History, v check.Verdict) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "verdict.json"), b, 0o644)
}

func printVerdict(h *history.History, v check.Verdict, took time.Duration) {
	fmt.Printf("  %d operations, %d lists, %d stream items, %d faults in %v; judged in %v\n",
		len(h.Ops), len(h.Polls), len(h.Items), len(h.Faults), h.End.Round(time.Second), took.Round(time.Millisecond))
	for _, c := range v.Checked {
		result := "ok"
		switch {
		case c.Findings > 0:
			result = fmt.Sprintf("%d FINDINGS", c.Findings)
		case c.Looked == 0:
			result = "not tried"
		}
		fmt.Printf("  %-4s %-72s %8d looked at  %s\n", c.Statement, c.Title, c.Looked, result)
	}
	const most = 12
	for i, f := range v.Findings {
		if i == most {
			fmt.Printf("\n  ... and %d more findings in the report\n", len(v.Findings)-most)
			break
		}
		fmt.Printf("\n  %s\n", f)
	}
	for _, r := range v.Reasons {
		fmt.Println("  saw too little:", r)
	}
	fmt.Printf("  verdict: %s\n", v.Result)
}

func printList() {
	fmt.Println("scenarios (-scenario); also short, and explore for random ones:")
	for _, s := range scenario.All() {
		fmt.Printf("  %-16s %s\n", s.Name, s.What)
	}
	fmt.Println("\nnemeses:")
	for _, n := range nemesis.All() {
		fmt.Printf("  %-16s %s\n", n.Name, n.What)
	}
	fmt.Println("\nfaults to build in (-broken):")
	for _, f := range broken.All() {
		fmt.Printf("  %-16s %s (%s)\n", f.Name, f.What, f.Scenario)
	}
}
