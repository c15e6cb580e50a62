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
	// Without a fault: the test of each package, and the outcome of each check.
	mu        sync.Mutex
	binaries  map[string]func() (string, error)
	baselines map[check]func() error
}

func newLab(o options, root, dir string) (*lab, error) {
	if o.layer == broken.E2E {
		o.workers, o.timeout = 1, 4*o.timeout // one cluster at a time
	}
	if o.workers < 1 {
		return nil, errors.New("-workers: want one or more")
	}
	return &lab{options: o, root: root, dir: dir, binaries: map[string]func() (string, error){}, baselines: map[check]func() error{}}, nil
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
	return once(&l.mu, l.baselines, c, sync.OnceValue(func() error {
		binary, err := l.unbroken(ctx, c.pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", c.pkg, err)
		}
		if r := judge(l.start(ctx, c, binary, nil)); r.verdict != survives {
			return fmt.Errorf("%s %s: %s", c.pkg, c.run, r.text)
		}
		return nil
	}))()
}

// unbroken is the test of a package without a fault.
func (l *lab) unbroken(ctx context.Context, pkg string) (string, error) {
	return once(&l.mu, l.binaries, pkg, sync.OnceValues(func() (binary string, err error) {
		dir, err := os.MkdirTemp(l.dir, "without-")
		if err != nil {
			return "", err
		}
		binary = filepath.Join(dir, "check.test")
		return binary, l.build(ctx, pkg, binary)
	}))()
}

// once is the function of that key in all; the first who asks makes it.
func once[K comparable, F any](mu *sync.Mutex, all map[K]F, key K, make F) F {
	mu.Lock()
	defer mu.Unlock()
	if _, ok := all[key]; !ok {
		all[key] = make
	}
	return all[key]
}

// run builds the package's test with the fault and runs it. The overlay of a
// test with clusters goes to the server that it builds, not to the test.
func (l *lab) run(ctx context.Context, c check, overlay string) result {
	if l.layer == broken.E2E {
		binary, err := l.unbroken(ctx, c.pkg)
		if err != nil {
			return result{verdict: unfit, text: err.Error()}
		}
		return judge(l.start(ctx, c, binary, []string{"JEPSEN_OVERLAY=" + overlay}))
	}
	binary := filepath.Join(filepath.Dir(overlay), "check.test")
	defer func() { _ = os.Remove(binary) }()
	if err := l.build(ctx, c.pkg, binary, "-overlay", overlay); err != nil {
		return result{verdict: unfit, text: err.Error()}
	}
	return judge(l.start(ctx, c, binary, nil))
}

// build makes the program of a package's tests.
func (l *lab) build(ctx context.Context, pkg, binary string, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-w", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, pkg)...)
	build.Dir = l.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("it does not build: %s", lastLines(string(out), 5))
	}
	return nil
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
