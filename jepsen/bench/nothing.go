package main

import (
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

// settled is how long a cluster is left alone before it counts as idle.
const settled = 5 * time.Second

// nothing measures what nodes cost that have nothing to do.
func (b *bench) nothing(ctx context.Context) error {
	for _, nodes := range []int{1, 3, 5} {
		if err := b.idleNodes(ctx, nodes); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) idleNodes(ctx context.Context, nodes int) (err error) {
	l, err := b.lab(ctx, nodes, make([]int, nodes), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := pause(ctx, settled); err != nil {
		return err
	}
	span := time.Duration(b.seconds) * 3 * time.Second
	before, err := cpus(l.nodes)
	if err != nil {
		return err
	}
	waits, err := switches(l.nodes)
	if err != nil {
		return err
	}
	if err := pause(ctx, span); err != nil {
		return err
	}
	after, err := cpus(l.nodes)
	if err != nil {
		return err
	}
	more, err := switches(l.nodes)
	if err != nil {
		return err
	}
	_, all := spent(before, after)
	each := span.Seconds() * float64(nodes)
	b.report.add("idle", fmt.Sprintf("CPU of a node of %d", nodes), 100*all.Seconds()/each, "% of a core", "")
	b.report.add("idle", fmt.Sprintf("context switches of a node of %d", nodes), (more-waits)/each, "/s", "")
	memory := 0.0
	for _, n := range l.nodes {
		m, err := pss(n.PID())
		if err != nil {
			return err
		}
		memory = max(memory, m)
	}
	b.report.add("idle", fmt.Sprintf("memory of a node of %d, the largest", nodes), memory/(1<<20), "MiB", "")
	return nil
}

// switches are the context switches of all threads of the nodes so far.
func switches(nodes []*cluster.Node) (sum float64, err error) {
	for _, n := range nodes {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", n.PID()))
		if err != nil || len(files) == 0 {
			return 0, fmt.Errorf("node %s is gone", n.Name())
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				continue // a thread that just ended
			}
			for line := range strings.Lines(string(text)) {
				if name, count, _ := strings.Cut(line, ":"); strings.HasSuffix(name, "_ctxt_switches") {
					n, err := strconv.ParseFloat(strings.TrimSpace(count), 64)
					if err != nil {
						return 0, err
					}
					sum += n
				}
			}
		}
	}
	return sum, nil
}
