package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIdentity_SurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	first, err := openCard(dir, "sip1", noDamage())
	if err != nil {
		t.Fatal(err)
	}
	first.ClusterID = "c1"
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	again, err := openCard(dir, "sip1", noDamage())
	if err != nil || again.ID != first.ID || again.ClusterID != "c1" {
		t.Errorf("%+v after %+v (%v)", again, first, err)
	}
	other, err := openCard(t.TempDir(), "sip1", noDamage())
	if err != nil || other.ID == first.ID {
		t.Errorf("a fresh directory came back as %+v (%v)", other, err)
	}
}

func TestIdentity_RefusesWhatIsNotIts(t *testing.T) {
	dir := t.TempDir()
	if _, err := openCard(dir, "sip1", noDamage()); err != nil {
		t.Fatal(err)
	}
	if _, err := openCard(dir, "sip2", noDamage()); err == nil || !strings.Contains(err.Error(), "--node sip1") {
		t.Errorf("another node's directory: %v", err)
	}
	for name, text := range map[string]string{"rubbish": "{", "no id": "{}", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "node.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := openCard(dir, "sip1", noDamage()); err == nil || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("%v", err)
			}
		})
	}
}
