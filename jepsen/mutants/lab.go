package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
)

// lab builds and runs tests, with a fault and without.
type lab struct {
	options
	root, dir string
	// The outcome without a fault, for each package and test.
	mu        sync.Mutex
	baselines map[string]func() error
}

func newLab(o options, root, dir string) (*lab, error) {
	if o.layer == broken.E2E {
		o.workers, o.timeout = 1, 4*o.timeout // one cluster at a time
	}
	if o.workers < 1 {
		return nil, errors.New("-workers: want one or more")
	}
	return &lab{options: o, root: root, dir: dir, baselines: map[string]func() error{}}, nil
}

// check is a test of a package: of the fault, or all with -whole.
type check struct{ pkg, run string }

func (l *lab) check(f *broken.Fault) check {
	switch {
	case f.Layer() == broken.E2E:
		return check{"./jepsen/e2e", "^" + f.E2E + "$"}
	case l.whole:
		return check{f.Package, ""}
	}
	return check{f.Package, f.Run}
}

// try runs the check with the fault in place. It must pass without.
func (l *lab) try(ctx context.Context, f *broken.Fault) result {
	c := l.check(f)
	if err := l.baseline(ctx, c); err != nil {
		return result{verdict: unfit, text: "without the fault: " + err.Error()}
	}
	overlay, err := f.Overlay(l.dir)
	if err != nil {
		return result{verdict: unfit, text: err.Error()}
	}
	began := time.Now()
	r := l.run(ctx, c, overlay)
	r.took = time.Since(began)
	return r
}

// baseline runs the check without a fault, once.
func (l *lab) baseline(ctx context.Context, c check) error {
	l.mu.Lock()
	key := c.pkg + " " + c.run
	once := l.baselines[key]
	if once == nil {
		once = sync.OnceValue(func() error {
			if r := l.run(ctx, c, ""); r.verdict != survives {
				return fmt.Errorf("%s: %s", key, r.text)
			}
			return nil
		})
		l.baselines[key] = once
	}
	l.mu.Unlock()
	return once()
}

// run builds the package's test and runs it. The overlay of a test with
// clusters goes to the server that it builds, not to the test.
func (l *lab) run(ctx context.Context, c check, overlay string) result {
	var flags, env []string
	dir := filepath.Dir(overlay)
	switch {
	case overlay == "":
		var err error
		if dir, err = os.MkdirTemp(l.dir, "without-"); err != nil {
			return result{verdict: unfit, text: err.Error()}
		}
	case l.layer == broken.E2E:
		env = []string{"JEPSEN_OVERLAY=" + overlay}
	default:
		flags = []string{"-overlay", overlay}
	}
	binary := filepath.Join(dir, "check.test")
	defer func() { _ = os.Remove(binary) }()
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-w", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, c.pkg)...)
	build.Dir = l.root
	if out, err := build.CombinedOutput(); err != nil {
		return result{verdict: unfit, text: "it does not build: " + lastLines(string(out), 5)}
	}
	return judge(l.start(ctx, c, binary, env))
}

// start runs a test's program to its end.
func (l *lab) start(ctx context.Context, c check, binary string, env []string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, l.timeout+10*time.Second)
	defer cancel()
	test := exec.CommandContext(limited, binary, "-test.v", "-test.failfast", "-test.run", c.run, "-test.timeout", l.timeout.String())
	test.Dir = filepath.Join(l.root, c.pkg)
	test.Env = append(os.Environ(), env...)
	test.WaitDelay = 10 * time.Second
	out, err := test.CombinedOutput()
	return string(out), err
}

// lastLines is the end of a text, on one line.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
