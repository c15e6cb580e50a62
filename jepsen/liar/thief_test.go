package liar

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/identity"
)

// The files are copied while a node changes its key: what was taken of the old and of
// the new is nobody, and no thief that shows a certificate it doesn't have.
func TestThief_HasACertificateOrIsNone(t *testing.T) {
	dir := t.TempDir()
	who, err := identity.Open(identity.Config{Dir: dir, ID: "a", Name: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "seal.key"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	thief := &Thief{dir: dir, who: who, view: &fsm.View{}}
	if err := thief.certified(nil); !errors.Is(err, ErrTorn) {
		t.Errorf("files without a certificate of their key: %v, want %v", err, ErrTorn)
	}
	if _, err := thief.As(&configpb.Node{Id: "b", Name: "n2"}, t.TempDir()); !errors.Is(err, ErrTorn) {
		t.Errorf("signed by a configuration without an authority: %v, want %v", err, ErrTorn)
	}
}
