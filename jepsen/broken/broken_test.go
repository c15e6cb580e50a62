package broken

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

func TestFault_FitsTheSource(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Clock().source(root); err != nil {
		t.Error(err)
	}
	var seen []string
	for _, f := range All() {
		if _, err := f.source(root); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if scenario.Find(f.Scenario) == nil {
			t.Errorf("%s: no scenario %q", f.Name, f.Scenario)
		}
		if slices.Contains(seen, f.Name) || len(f.Statements) == 0 {
			t.Errorf("%s: named twice, or no statement that it breaks", f.Name)
		}
		seen = append(seen, f.Name)
	}
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
	for _, name := range slices.Concat(scenario.Short(), scenario.Explore()) {
		if scenario.Find(name) == nil {
			t.Errorf("no scenario %q", name)
		}
	}
}
