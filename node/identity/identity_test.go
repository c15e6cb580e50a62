package identity

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func opened(t *testing.T, dir string) *Identity {
	t.Helper()
	i, err := Open(Config{Dir: dir, ID: "a", Name: "sip1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func sealed(t *testing.T, seal []byte) *configpb.Authority {
	t.Helper()
	s, err := authority(t).Seal(seal)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a node knows of itself and of others is there after a restart, and its
// secrets are its owner's alone.
func TestIdentity_SurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	i, seal := opened(t, dir), NewSeal()
	known := &peerpb.Trust{ClusterId: "c1", Index: 7, Nodes: []*configpb.Node{{Id: "b", KeySha256: []string{"k"}}}}
	if err := errors.Join(i.SetSeal(seal), i.Believe(known), i.Distrust("x", "sip9"), i.Renew("c1", []*configpb.Authority{sealed(t, seal)}, time.Now())); err != nil {
		t.Fatal(err)
	}
	next, err := i.Rekey()
	if err != nil {
		t.Fatal(err)
	}
	again := opened(t, dir)
	if again.Fingerprint() != i.Fingerprint() || !slices.Equal(again.Fingerprints(), []string{i.Fingerprint(), next}) || !slices.Equal(again.Seal(), seal) {
		t.Error("its keys are others")
	}
	if again.Trust().Holds("b", "k") != nil || again.Trust().Index != 7 || !slices.Equal(again.Distrusted(), []string{"sip9"}) || !again.Trust().Denied["x"] {
		t.Errorf("it believes %+v", again.Trust())
	}
	if again.Certificate() == nil || !again.Certificate().Leaf.Equal(i.Certificate().Leaf) {
		t.Error("its certificate is another one")
	}
	for _, name := range []string{keyFile, nextFile, sealFile, trustFile, deny} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// A secret that others can read is not used, nor is one that is damaged.
func TestIdentity_RefusesFilesThatWontDo(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		mode       os.FileMode
		says       string
	}{
		"a key that its group can read": {keyFile, "", 0o640, "chmod 600"}, "a seal that others can read": {sealFile, "", 0o604, "chmod 600"},
		"a damaged key": {keyFile, "rubbish", 0o600, "has no key"}, "a deny list that is none": {deny, "{", 0o600, "unexpected end of JSON input"},
		"a trust that is none": {trustFile, "\xff", 0o600, "cannot parse"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := opened(t, dir).SetSeal(NewSeal()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			if c.text != "" {
				if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Config{Dir: dir, ID: "a", Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}

// A certificate is renewed after two thirds of its time, for another authority and
// another key, and not otherwise.
func TestIdentity_RenewsInTime(t *testing.T) {
	i, seal, now := opened(t, t.TempDir()), NewSeal(), time.Now()
	if err := i.SetSeal(seal); err != nil {
		t.Fatal(err)
	}
	one, two := sealed(t, seal), sealed(t, seal)
	life := nodeLife + slack
	for _, s := range []struct {
		name  string
		by    []*configpb.Authority
		at    time.Duration
		fresh bool
	}{
		{"the first one", []*configpb.Authority{one}, 0, true},
		{"at once", []*configpb.Authority{one}, 0, false},
		{"before two thirds", []*configpb.Authority{one}, life*2/3 - slack - time.Hour, false},
		{"after two thirds", []*configpb.Authority{one}, life*2/3 - slack + time.Hour, true},
		{"another is trusted too", []*configpb.Authority{one, two}, life * 2 / 3, true},
		{"another one signs", []*configpb.Authority{two, one}, life * 2 / 3, true},
		{"and nothing changes", []*configpb.Authority{two, one}, life * 2 / 3, false},
		{"a clock that was set back", []*configpb.Authority{two, one}, -time.Hour, true},
	} {
		before := i.Certificate()
		if err := i.Renew("c1", s.by, now.Add(s.at)); err != nil {
			t.Fatal(err)
		}
		if (i.Certificate() != before) != s.fresh {
			t.Errorf("%s: renewed %v, want %v", s.name, i.Certificate() != before, s.fresh)
		}
	}
	before := i.Certificate()
	if _, err := i.Rekey(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(i.Promote(), i.Renew("c1", []*configpb.Authority{two, one}, now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	if i.Certificate() == before || fingerprint(i.Certificate().Leaf.RawSubjectPublicKeyInfo) != i.Fingerprint() || len(i.Fingerprints()) != 1 {
		t.Error("the next key has no certificate")
	}
	if err := i.Renew("c1", []*configpb.Authority{sealed(t, NewSeal())}, now); err == nil {
		t.Error("an authority that can't be opened signed")
	}
}

// Older knowledge does not replace newer, and who left the roster is forgotten
// among those that are distrusted.
func TestIdentity_BelievesTheNewest(t *testing.T) {
	i := opened(t, t.TempDir())
	trust := func(index uint64, node string) error {
		return i.Believe(&peerpb.Trust{ClusterId: "c1", Index: index, Nodes: []*configpb.Node{{Id: node, KeySha256: []string{"k"}}}})
	}
	if err := errors.Join(trust(7, "new"), trust(6, "old")); err != nil {
		t.Fatal(err)
	}
	if i.Trust().Holds("new", "k") != nil || i.Trust().Holds("old", "k") == nil {
		t.Errorf("it believes %+v", i.Trust())
	}
	if err := errors.Join(i.Distrust("new", "sip2"), i.Distrust("gone", "sip3"), i.Forget(func(id string) bool { return id == "new" })); err != nil {
		t.Fatal(err)
	}
	if got := i.Distrusted(); !slices.Equal(got, []string{"sip2"}) || !errors.Is(i.Trust().Holds("new", "k"), Distrusted) {
		t.Errorf("distrusted: %v", got)
	}
}
