// Package broken builds servers with a fault in them, to see that the suite
// finds it. A fault is a change of a line or two of the server's source, put
// in place by `go build -overlay`: so neither the source nor the product's
// binary knows of it. A test makes sure that every change still fits.
package broken

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Fault is a way to break the server.
type Fault struct {
	Name, What string
	// Edits of the source.
	Edits []Edit
	// Scenario that must find it within For, and the statements (S1, ...) one
	// of which it breaks.
	Scenario   string
	For        time.Duration
	Statements []string
	// added are files that the edits need, by their names in the module.
	added map[string]string
}

// Edit replaces a text that is there exactly once in a file of the module.
type Edit struct{ File, Old, New string }

// All faults.
func All() []Fault {
	return []Fault{
		{
			Name: "peer-loss", What: "the loss of a peer is ignored",
			Edits: []Edit{{"node/tcontroller/verdict.go",
				"	switch {\n	case e.bye:\n", "	switch {\n	case e.heard:\n		return true, \"\", 0\n	case e.bye:\n"}},
			Scenario: "cuts", For: 40 * time.Second, Statements: []string{"S1"},
		},
		{
			Name: "gossip-only", What: "gossip alone says who is lost: a cut of its port is a loss, one of the links is none",
			Edits: []Edit{{"node/tcontroller/verdict.go",
				"	switch {\n	case e.bye:\n", "	switch {\n	case true:\n		return !e.gossipDead, \"cut\", 0\n	case e.bye:\n"}},
			Scenario: "ports", For: 60 * time.Second, Statements: []string{"S1", "S2", "S5", "S15"},
		},
		{
			Name: "arrival-order", What: "the claim that arrived last wins, not the greatest",
			Edits: []Edit{
				{"node/dn/merge.go", "if b == nil || t.claim(b).Less(t.claim(r)) {", "if b == nil || r.state == InSrv {"},
				{"node/dn/copy.go", "if mine == nil || !t.claim(mine).Less(Claim{Time: r.ClaimTime, Node: c.o.id}) {", "if mine == nil || r.State != InSrv {"},
			},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S2", "S3", "S4", "S5", "S7"},
		},
		{
			Name: "no-sweep", What: "what a peer's snapshot does not mention stays",
			Edits:    []Edit{{"node/dn/copy.go", "	if c.full {\n		if err := c.sweep()", "	if false {\n		if err := c.sweep()"}},
			Scenario: "lost-locations", For: 60 * time.Second, Statements: []string{"S4", "S5"},
		},
		{
			Name: "early-ack", What: "a REGISTER is answered before it is stored",
			Edits: []Edit{
				{"sip/server.go", "if err := s.cfg.Store.Flush(); err != nil {", "if err := error(nil); err != nil {"},
			},
			Scenario: "kills", For: 60 * time.Second, Statements: []string{"S7", "S4", "S2"},
		},
		{
			Name: "unregister-all", What: "an un-REGISTER is matched by the DN only, whatever its contact",
			Edits: []Edit{{"sip/decide.go", "	i := d.find(c.uri)\n	if i >= 0 &&",
				"	if life == 0 {\n		d.bindings, d.changed = d.bindings[:0], true\n		return\n	}\n	i := d.find(c.uri)\n	if i >= 0 &&"}},
			Scenario: "quiet", For: 40 * time.Second, Statements: []string{"S2", "S4"},
		},
		{
			Name: "local-read", What: "a node's own copy is given out as a linearizable read",
			Edits:    []Edit{{"api/configuration.go", "	if linearizable {", "	if false {"}},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S8"},
		},
		{
			Name: "lost-event", What: "a stream leaves out every seventh change",
			Edits:    []Edit{{"node/dn/stream.go", "if e := j.at(s.seq); e != nil {", "if e := j.at(s.seq); e != nil && (s.kind == own || k == Row || s.seq%7 != 0) {"}},
			Scenario: "quiet", For: 40 * time.Second, Statements: []string{"S6"},
		},
		{
			Name: "resume-again", What: "a resumed stream repeats the last change",
			Edits:    []Edit{{"node/dn/stream.go", "s.seq, s.phase = s.from.Seq, tail", "s.seq, s.phase = s.from.Seq-1, tail"}},
			Scenario: "quiet", For: 60 * time.Second, Statements: []string{"S6"},
		},
		{
			Name: "no-pre-vote", What: "a node that was cut off deposes the leader when it is back",
			Edits: []Edit{{"node/consensus/group.go", "c.CommitTimeout = commitTimeout",
				"c.CommitTimeout, c.PreVoteDisabled = commitTimeout, true"}},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S11"},
		},
		wallExpiry(),
	}
}

// wallExpiry needs a clock that can be wrong.
func wallExpiry() Fault {
	f := *Clock()
	f.Name, f.What = "wall-expiry", "lifetimes of registrations follow the wall clock"
	f.Edits = append(f.Edits, Edit{"sip/location/clock.go", "return c.since + t.Sub(c.start)", "return c.since + t.Round(0).Sub(c.start.Round(0))"})
	f.Scenario, f.For, f.Statements = "clocks", 60*time.Second, []string{"S17", "S2", "S4", "S7"}
	return f
}

// Find returns the fault of that name, nil when there is none.
func Find(name string) *Fault {
	for _, f := range All() {
		if f.Name == name {
			return &f
		}
	}
	return nil
}

// Build builds a broken server into dir and returns its path.
func (f *Fault) Build(dir string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "with-"+f.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	files, err := f.source(root)
	if err != nil {
		return "", fmt.Errorf("fault %s: %w", f.Name, err)
	}
	replace := map[string]string{}
	for file, text := range files {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(root, file)] = changed
		if err := os.WriteFile(changed, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, b, 0o644)
	}
	if err != nil {
		return "", err
	}
	return cluster.Build(dir, "-overlay", overlay)
}

// source are the files that differ from the module's, with their texts.
func (f *Fault) source(root string) (map[string]string, error) {
	files := maps.Clone(f.added)
	if files == nil {
		files = map[string]string{}
	}
	for _, e := range f.Edits {
		text, changed := files[e.File]
		if !changed {
			b, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return nil, fmt.Errorf("%s has %d places like %q, want 1: the source has changed, change the fault", e.File, n, e.Old)
		}
		files[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	return files, nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if file := strings.TrimSpace(string(out)); err == nil && file != os.DevNull && file != "" {
		return filepath.Dir(file), nil
	}
	return "", errors.Join(errors.New("run this within the module's directory"), err)
}
