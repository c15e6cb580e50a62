package broken

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

func TestFault_FitsTheSource(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Fault{Clock(), Next(nil)} {
		if _, err := f.source(root); err != nil {
			t.Error(err)
		}
	}
	seen := map[string]bool{}
	for _, f := range All() {
		if _, err := f.source(root); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if f.Name == "" || f.Kind == "" || f.What == "" || seen[f.Name] {
			t.Errorf("%s: named twice, or without kind or description", f.Name)
		}
		seen[f.Name] = true
	}
}

func TestFault_NamesChecksThatThereAre(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range All() {
		if f.Package != "" {
			hasTest(t, f.Name, filepath.Join(root, f.Package), f.Run)
		}
		if f.E2E != "" {
			hasTest(t, f.Name, filepath.Join(root, "jepsen/e2e"), "^"+f.E2E+"$")
		}
		if f.Scenario == "" && f.Layer() != Chaos {
			continue
		}
		if scenario.Find(f.Scenario) == nil || len(f.Statements) == 0 || f.For == 0 {
			t.Errorf("%s: no scenario %q, or no statement that it breaks, or no time for it", f.Name, f.Scenario)
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+)\(`)

// hasTest finds a test in a package that go test -run would run.
func hasTest(t *testing.T, fault, dir, run string) {
	t.Helper()
	top, _, _ := strings.Cut(run, "/")
	want, err := regexp.Compile(top)
	if err != nil {
		t.Errorf("%s: %v", fault, err)
		return
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			if want.Match(m[1]) {
				return
			}
		}
	}
	t.Errorf("%s: no test of %s matches %q", fault, dir, run)
}

func TestScenario_NamesNemesesThatThereAre(t *testing.T) {
	for _, s := range scenario.All() {
		for _, track := range s.Tracks {
			for _, n := range track.Nemeses {
				if nemesis.Find(n) == nil {
					t.Errorf("%s: no nemesis %q", s.Name, n)
				}
			}
		}
	}
	names := scenario.Explore()
	for _, run := range slices.Concat(scenario.Short(1), scenario.Short(2), scenario.Short(3), scenario.Regressions()) {
		names = append(names, run.Scenario)
	}
	for _, name := range names {
		if scenario.Find(name) == nil {
			t.Errorf("no scenario %q", name)
		}
	}
}
