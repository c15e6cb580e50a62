package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/report"
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
	fmt.Println("  report:", filepath.Join(dir, "report.html"))
	return v, writeReport(dir, h, v)
}

func judgeAgain(dir string) (int, error) {
	v, err := judge(dir)
	return exitCode(v, err), err
}

// writeReport writes the page for people and the same for programs.
func writeReport(dir string, h *history.History, v check.Verdict) error {
	for name, write := range map[string]func(io.Writer, *history.History, check.Verdict) error{
		"report.html": report.HTML, "report.json": report.JSON,
	} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f, h, v), f.Close()); err != nil {
			return err
		}
	}
	return nil
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
		if f.Scenario != "" {
			fmt.Printf("  %-16s %s (%s)\n", f.Name, f.What, f.Scenario)
		}
	}
}
