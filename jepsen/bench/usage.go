package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// cpu is the processor time that all threads of a process took so far.
func cpu(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that just ended
		}
		ns, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// cpus is cpu of each node.
func cpus(nodes []*cluster.Node) ([]time.Duration, error) {
	out := make([]time.Duration, len(nodes))
	var err error
	for i, n := range nodes {
		var e error
		out[i], e = cpu(n.PID())
		err = errors.Join(err, e)
	}
	return out, err
}

// spent is the growth between two readings, of each node and in all.
func spent(before, after []time.Duration) (each []time.Duration, all time.Duration) {
	for i := range before {
		each = append(each, after[i]-before[i])
		all += after[i] - before[i]
	}
	return each, all
}

// pss is a process's proportional resident memory in bytes.
func pss(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), "Pss:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			return kb * 1024, err
		}
	}
	return 0, errors.New("smaps_rollup without Pss")
}

// idle returns the machine's idle and total processor time in ticks.
func idle() (idle, total float64, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, 0, err
		}
		if i < 8 { // guest time is in user time already
			total += v
		}
		if i == 3 || i == 4 {
			idle += v
		}
	}
	return idle, total, nil
}

// get reads a page of a node's HTTP port.
func get(ctx context.Context, n *cluster.Node, path string) ([]byte, error) {
	return n.Get(ctx, n.Place(), path)
}

// collect makes the node collect garbage, where its debug pages are served.
func collect(ctx context.Context, n *cluster.Node) error {
	_, err := get(ctx, n, "/debug/pprof/heap?gc=1")
	return err
}

// metric reads one number of the node's /metrics.
func metric(ctx context.Context, n *cluster.Node, name string) (float64, error) {
	b, err := get(ctx, n, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("/metrics has no %s", name)
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
