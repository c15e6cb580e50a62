package fsm_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

func backupOf(t testing.TB, v *fsm.View) *fsm.View {
	t.Helper()
	var b bytes.Buffer
	if _, err := v.Backup().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	read, err := fsm.ReadBackup(&b)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func restoring(t testing.TB, b *fsm.View) *configpb.Mutation {
	t.Helper()
	compressed, err := b.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	return &configpb.Mutation{Op: &configpb.Mutation_Restore{Restore: compressed}}
}

// people are the objects that people make, without their revisions.
func people(v *fsm.View) (all []string) {
	o := proto.CloneOf(v.Options())
	o.Revision = 0
	all = append(all, fmt.Sprint(o))
	for g := range v.Groups() {
		g = proto.CloneOf(g)
		g.Revision = 0
		all = append(all, fmt.Sprint(g))
	}
	for d := range v.DNs("") {
		d = proto.CloneOf(d)
		d.Revision = 0
		all = append(all, fmt.Sprint(d))
	}
	return all
}

// Whatever happened since, a restore makes options, groups and DNs what they were, in
// one entry of the log; nodes, keys and tokens stay as they are: no revoked token is
// back. What is as it was keeps its revision.
func TestBackup_RestoreMakesItWhatItWas(t *testing.T) {
	m := full(t)
	b, was := backupOf(t, m.View()), people(m.View())
	apply(t, m, command(
		deleteDN("1001"), put(&configpb.AgentGroup{Name: "new"}), dn("sip", func(d *configpb.DN) { d.Number, d.Groups = "77", []string{"new"} }),
		dn("point", func(d *configpb.DN) { d.Disabled = true }), options(func(o *configpb.Options) { o.MaxContacts = 3 }),
		&configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: "abcdefghij01"}}, node(func(n *configpb.Node) { n.Site = "moved" }),
	))
	before := m.View()
	index := apply(t, m, command(restoring(t, b)))
	for how, m := range copies(t, m) {
		v := m.View()
		if got := people(v); !slices.Equal(got, was) {
			t.Errorf("%s:\ngot  %s\nwant %s", how, strings.Join(got, "\n"), strings.Join(was, "\n"))
		}
		if v.Token("abcdefghij01") != nil || v.Token("abcdefghij02") == nil || v.Node("id-z").GetSite() != "moved" || !proto.Equal(v.Security(), before.Security()) {
			t.Errorf("%s: a token is back, or a node or keys are others", how)
		}
		if v.DN("1001").GetRevision() != index || v.DN("4000").GetRevision() == index {
			t.Errorf("%s: revisions %d of what was restored, %d of what was as it is", how, v.DN("1001").GetRevision(), v.DN("4000").GetRevision())
		}
	}
	if left := m.View().Restoring(b); len(left) != 0 {
		t.Errorf("a second time would change %+v", left)
	}
}

// What a restore changes is told beforehand, by kind, name and change.
func TestBackup_TheDifferencesAreTold(t *testing.T) {
	m := full(t)
	b := backupOf(t, m.View())
	apply(t, m, command(deleteDN("1001"), put(&configpb.AgentGroup{Name: "new"}), dn("point", func(d *configpb.DN) { d.Disabled = true }),
		dn("sip", func(d *configpb.DN) { d.Number = "77" }), options(func(o *configpb.Options) { o.MaxContacts = 3 })))
	var got []string
	for _, d := range m.View().Restoring(b) {
		got = append(got, strings.TrimSpace(d.Kind+" "+d.Name)+" "+d.Change)
	}
	want := []string{"options changed", "DN 1001 created", "DN 3000 changed", "DN 77 deleted", "group new deleted"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if after, told, err := m.View().WithRestored(b); len(told) != len(want) || err != nil || after.DN("1001") == nil || m.View().DN("1001") != nil {
		t.Errorf("beforehand: %v", err)
	}
}

// knowsAll makes it the entry of a node of this program.
func knowsAll(n *configpb.Node) { n.FeatureLevel = fsm.Program().Known }

// In another cluster that is new the tokens are created too; in one that has DNs they
// are not.
func TestBackup_TokensGoIntoANewClusterOnly(t *testing.T) {
	b := backupOf(t, full(t).View())
	fresh := func(more ...*configpb.Mutation) machine {
		m := start(t)
		c := command(append([]*configpb.Mutation{put(objects()["options"]), node(knowsAll), put(security())}, more...)...)
		c.NewEpoch, c.Level = "another", level
		apply(t, m, c)
		return m
	}
	m := fresh()
	apply(t, m, command(restoring(t, b)))
	if v := m.View(); v.Token("abcdefghij01") == nil || v.DN("1001") == nil || v.Epoch() != "another" {
		t.Error("a new cluster has not all of the backup")
	}
	m = fresh(put(&configpb.AgentGroup{Name: "mine"}))
	apply(t, m, command(restoring(t, b)))
	if v := m.View(); v.Token("abcdefghij01") != nil || v.DN("1001") == nil || v.Group("mine") != nil {
		t.Error("a cluster in use got tokens, or not the rest")
	}
}

// A restore that can't be done changes nothing.
func TestBackup_Refused(t *testing.T) {
	m := full(t)
	b := backupOf(t, m.View())
	other := start(t)
	c := command(options(func(o *configpb.Options) { o.Realm = "other.example" }), node(knowsAll))
	c.NewEpoch, c.Level = "another", level
	apply(t, other, c)
	garbage := func(s string) *configpb.Mutation {
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, flate.BestSpeed)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return &configpb.Mutation{Op: &configpb.Mutation_Restore{Restore: out.Bytes()}}
	}
	whole := restoring(t, b)
	for name, c := range map[string]struct {
		at   machine
		m    *configpb.Mutation
		kind error
	}{
		"another realm":  {other, whole, fsm.ErrConflict},
		"cut short":      {m, &configpb.Mutation{Op: &configpb.Mutation_Restore{Restore: whole.GetRestore()[:len(whole.GetRestore())/2]}}, fsm.ErrInvalid},
		"nothing":        {m, &configpb.Mutation{Op: &configpb.Mutation_Restore{Restore: []byte{}}}, fsm.ErrInvalid},
		"something else": {m, garbage("a text"), fsm.ErrInvalid},
	} {
		before := people(c.at.View())
		if got := result(t, c.at, command(put(&configpb.AgentGroup{Name: "half"}), c.m)); !errors.Is(got.Err, c.kind) {
			t.Errorf("%s: %v, want %v", name, got.Err, c.kind)
		}
		if !slices.Equal(people(c.at.View()), before) {
			t.Errorf("%s changed something", name)
		}
	}
}
