package container

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const composeFile = "../../deploy/compose/compose.yaml"

// project is the Compose file as compose itself reads it, checked against its schema.
func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{composeFile}, cli.WithInterpolation(true), cli.WithName("sipcluster"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCompose_IsClosed: nothing runs with more than it needs, secrets are files, and
// each volume and file is there.
func TestCompose_IsClosed(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		if !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: keeps capabilities", name)
		}
		if s.Privileged || s.User == "root" || s.User == "0" {
			t.Errorf("%s: runs as root", name)
		}
		words := append([]string{}, s.Command...)
		for k, v := range s.Environment {
			if v != nil {
				words = append(words, k+"="+*v)
			}
		}
		for _, w := range words {
			if strings.Contains(w, "sct_") || strings.Contains(w, "sci_") || w == "--insecure" || w == "--password" {
				t.Errorf("%s: %q is a secret, or does without", name, w)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				if found, _ := filepath.Glob(v.Source); len(found) == 0 {
					t.Errorf("%s: %s is not there", name, v.Source)
				}
			}
		}
		for on := range s.DependsOn {
			if _, err := p.GetService(on); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
