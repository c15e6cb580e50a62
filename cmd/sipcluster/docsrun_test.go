package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sipcluster/sipcluster/cmd/internal/transcript"
	"github.com/sipcluster/sipcluster/internal/race"
)

// scenes is how the commands of the documents are run: what has to be so before a block,
// what stands for a token or an id in it, and which blocks are not run, with the reason.
type scenes struct {
	// Unrun is how many blocks with a reason not to be run there are.
	Unrun     int
	Documents []scene
}

// scene is a document with a cluster, or clusters, of its own.
type scene struct {
	Doc string
	// Hosts are the machines of the prompts, with their addresses in the document; those
	// of the blocks without one are "".
	Hosts map[string]string
	// Addresses are further ones of the document that have to be of this machine.
	Addresses []string
	// Needs is a command without whose success the document can't be run on this machine.
	Needs string
	// Before runs on host "" before the first block.
	Before string
	Blocks []passage
}

// passage is what is to be said of a block.
type passage struct {
	// With is how one of its commands begins.
	With string
	// Not is why the block is not run.
	Not string
	// On is the host of a block without prompts; Before runs there, before the block.
	On, Before string
	// Typed is what is typed at the terminal of each of its commands that asks.
	Typed []string
	// Unordered says that in its outputs only the lines count, not their order, nor others.
	Unordered bool
	// Replace has what stands in a command for something that is of one run.
	Replace map[string]string
}

func readScenes(t *testing.T) (s scenes) {
	t.Helper()
	b, err := os.ReadFile("testdata/docs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// documents are those of the repository that users read.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d documents, %v", len(paths), err)
	}
	return append(paths, "../../README.md")
}

func blocksOf(t *testing.T, path string) []transcript.Block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return transcript.Blocks(string(text))
}

// saidOf is what the scene has of a block.
func (s scene) saidOf(b transcript.Block) *passage {
	for _, c := range b.Commands() {
		for i := range s.Blocks {
			if strings.HasPrefix(c.Text, s.Blocks[i].With) {
				return &s.Blocks[i]
			}
		}
	}
	return nil
}

// TestDocs_EveryCommandIsRunOrHasAReason: a block of commands is run by
// TestDocs_CommandsDoWhatIsWritten, or testdata/docs.yaml says why not.
func TestDocs_EveryCommandIsRunOrHasAReason(t *testing.T) {
	all := readScenes(t)
	unrun := 0
	for _, path := range documents(t) {
		doc := filepath.Base(path)
		i := slices.IndexFunc(all.Documents, func(s scene) bool { return s.Doc == doc })
		var said []*passage
		for _, b := range blocksOf(t, path) {
			switch commands := b.Commands(); {
			case b.Language == "":
				t.Errorf("%s:%d: of which language is the block? console has prompts and outputs, in sh each line is a command; text and others have no commands", doc, b.Line)
			case len(commands) == 0 && (b.Typed() || b.Language == transcript.Console):
				t.Errorf("%s:%d: commands stand in a block of console, or of sh", doc, b.Line)
			case len(commands) > 0 && i < 0:
				t.Errorf("%s:%d: testdata/docs.yaml has nothing of this document: how is its cluster made?", doc, b.Line)
			case len(commands) > 0:
				said = append(said, all.Documents[i].saidOf(b))
			}
		}
		if i >= 0 {
			unrun += heard(t, all.Documents[i], said)
		}
	}
	if unrun != all.Unrun {
		t.Errorf("%d blocks are not run, testdata/docs.yaml speaks of %d", unrun, all.Unrun)
	}
}

// heard wants each passage of the scene to be about one block, and counts the blocks that
// are not run.
func heard(t *testing.T, s scene, said []*passage) (unrun int) {
	t.Helper()
	for i := range s.Blocks {
		p := &s.Blocks[i]
		n := 0
		for _, q := range said {
			if p == q {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d blocks have a command that begins with %q", s.Doc, n, p.With)
		}
		if p.Not != "" {
			unrun++
		}
	}
	return unrun
}

// patientMachine is how long a document takes on a machine that does much else.
const patientMachine = 5 * time.Minute

// TestDocs_CommandsDoWhatIsWritten runs the commands of each document in its order, with
// the program itself, on a cluster of its own, and wants what they print to have the shape
// of what is written there.
func TestDocs_CommandsDoWhatIsWritten(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("starts clusters: scripts/test-long does")
	}
	all := readScenes(t)
	for _, s := range all.Documents {
		t.Run(s.Doc, func(t *testing.T) {
			path := filepath.Join("../../docs", s.Doc)
			if s.Doc == "README.md" {
				path = "../../README.md"
			}
			blocks := blocksOf(t, path)
			if !slices.ContainsFunc(blocks, func(b transcript.Block) bool {
				said := s.saidOf(b)
				return len(b.Commands()) > 0 && (said == nil || said.Not == "")
			}) {
				t.Skip("nothing of it is run")
			}
			t.Parallel()
			if end, ok := t.Deadline(); ok && time.Until(end) < patientMachine {
				t.Skip("NOT RUN: the time for all tests is over soon: go test -timeout")
			}
			stage(t, s).play(blocks)
		})
	}
}
