package fsm_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// next is the level behind that of this program.
var next = level + 1

// toCome is a program to come: login_required and tokens came with the next level.
func toCome() *fsm.Features {
	f := fsm.Program()
	f.Known = next
	f.Since["sipcluster.config.v1.AgentGroup.login_required"], f.Since["sipcluster.config.v1.Mutation.put_token"] = next, next
	return &f
}

// program is a machine as that program opens it; nil is this one.
func program(t *testing.T, path string, f *fsm.Features) machine {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: path, Features: f})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return machine{m, path}
}

func putLevel(level uint32) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutLevel{PutLevel: level}}
}

func knows(level uint32) *peerpb.Command {
	return command(put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "10.0.0.1:7002", FeatureLevel: level}))
}

// What a program to come writes means at level 1 what it means to this one.
func TestLevel_DecidesWhatAnEntryMeans(t *testing.T) {
	newer, older := program(t, filepath.Join(t.TempDir(), "config.db"), toCome()), start(t)
	group := &configpb.AgentGroup{Name: "sales", LoginRequired: true}
	token := objects()["secret"]
	for _, c := range []*peerpb.Command{begin(), command(put(group)), knows(next)} {
		apply(t, newer, c)
	}
	for _, c := range []*peerpb.Command{begin(), command(put(&configpb.AgentGroup{Name: "sales"})), knows(next)} {
		apply(t, older, c)
	}
	rejected := [2]error{result(t, newer, command(put(token))).Err, result(t, older, command(&configpb.Mutation{})).Err}
	if rejected[0] == nil || rejected[0].Error() != rejected[1].Error() {
		t.Errorf("a mutation of the next level: %v here, %v at a program without it", rejected[0], rejected[1])
	}
	if newer.Mark() != older.Mark() || newer.Digest() != older.Digest() {
		t.Errorf("the states differ: %v and %v", newer.Mark(), older.Mark())
	}
	apply(t, newer, command(putLevel(next)))
	apply(t, newer, command(put(group), put(token)))
	for how, m := range map[string]machine{"itself": newer, "opened again": program(t, closed(t, newer), toCome())} {
		if v := m.View(); v.Level() != next || !v.Group("sales").GetLoginRequired() || v.Token("abcdefghij01") == nil {
			t.Errorf("%s: level %d, and what came with it is %v, %v", how, v.Level(), v.Group("sales"), v.Token("abcdefghij01"))
		}
	}
}

func closed(t *testing.T, m machine) string {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return m.path
}

func TestLevel_RisesWhenEveryNodeKnowsIt(t *testing.T) {
	m := program(t, filepath.Join(t.TempDir(), "config.db"), toCome())
	apply(t, m, begin())
	for _, c := range []struct {
		what string
		cmd  *peerpb.Command
		want error
	}{
		{"nobody knows it", command(putLevel(next)), fsm.ErrConflict},
		{"it needs a level that the cluster has not", &peerpb.Command{Version: fsm.Version, Level: next, Mutations: []*configpb.Mutation{put(&configpb.AgentGroup{Name: "x"})}}, fsm.ErrVersion},
		{"the node announces", knows(next), nil},
		{"all know it", command(putLevel(next)), nil},
		{"it is the present one", command(putLevel(next)), fsm.ErrConflict},
		{"it is never lowered", command(putLevel(level)), fsm.ErrConflict},
		{"a node that does not know it joins", command(put(&configpb.Node{Id: "id-b", Name: "b", ClusterAddr: "10.0.0.2:7002"})), fsm.ErrVersion},
		{"a node that knows it joins", command(put(&configpb.Node{Id: "id-b", Name: "b", ClusterAddr: "10.0.0.2:7002", FeatureLevel: next})), nil},
		{"a node was taken back to an older version", knows(level), nil},
	} {
		if err := result(t, m, c.cmd).Err; !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if v := m.View(); v.Level() != next || v.CommonLevel() != level {
		t.Errorf("level %d, common %d, want %d and %d", v.Level(), v.CommonLevel(), next, level)
	}
}

// An entry, a snapshot and a store of a level to come: nothing behind is applied, the
// last state is readable, and a program that knows the level goes on.
func TestLevel_UnknownParks(t *testing.T) {
	group := func(name string) *peerpb.Command { return command(put(&configpb.AgentGroup{Name: name})) }
	log := []*peerpb.Command{begin(), knows(next), group("before"), command(putLevel(next)), group("behind")}
	newer := program(t, filepath.Join(t.TempDir(), "config.db"), toCome())
	for _, c := range log {
		apply(t, newer, c)
	}
	older := start(t)
	var entries []*raft.Log
	for i, c := range log {
		entries = append(entries, entry(t, uint64(i+1), c))
	}
	results := older.ApplyBatch(entries)
	for i, want := range []error{nil, nil, nil, fsm.ErrLevel, fsm.ErrParked} {
		if err := results[i].(fsm.Result).Err; !errors.Is(err, want) {
			t.Errorf("entry %d: %v, want %v", i+1, err, want)
		}
	}
	parked(t, "an entry", older, "before")
	if _, err := older.Snapshot(); !errors.Is(err, fsm.ErrParked) {
		t.Errorf("it gives a snapshot: %v", err)
	}
	if err := older.Wait(t.Context(), 5); !errors.Is(err, fsm.ErrParked) {
		t.Errorf("waiting for an entry that will not come: %v", err)
	}
	if err := restore(t, older, snapshotOf(t, newer)); err != nil {
		t.Errorf("a snapshot of an unknown level: %v", err)
	}
	parked(t, "a snapshot", older, "before")

	upgraded := program(t, closed(t, older), toCome())
	upgraded.ApplyBatch(entries)
	if upgraded.Mark() != newer.Mark() || upgraded.Parked() != nil {
		t.Errorf("upgraded it is at %v, %v; want %v", upgraded.Mark(), upgraded.Parked(), newer.Mark())
	}
	parked(t, "a store", program(t, closed(t, upgraded), nil), "behind")
}

func parked(t *testing.T, what string, m machine, group string) {
	t.Helper()
	if err := m.Parked(); !errors.Is(err, fsm.ErrLevel) || !errors.Is(err, fsm.ErrParked) {
		t.Errorf("%s of an unknown level: parked for %v", what, err)
	}
	if m.View().Group(group) == nil {
		t.Errorf("%s of an unknown level: group %s can't be read", what, group)
	}
}

func TestFeatures_NeedsSaysWhatIsOfAHigherLevel(t *testing.T) {
	v := start(t).View()
	for _, c := range []struct {
		what string
		cmd  *peerpb.Command
		ok   bool
	}{
		{"known", command(put(&configpb.AgentGroup{Name: "g"})), true},
		{"a field", command(put(&configpb.AgentGroup{Name: "g", LoginRequired: true})), false},
		{"a mutation", command(put(objects()["secret"])), false},
		{"it says so", &peerpb.Command{Level: next}, false},
		{"the next level", command(putLevel(next)), true},
		{"a level that would park every node", command(putLevel(next + 1)), false},
		{"a new state machine of that level", &peerpb.Command{Level: next, NewEpoch: "e", Mutations: []*configpb.Mutation{put(objects()["secret"])}}, true},
		{"a new state machine of an unknown level", &peerpb.Command{Level: next + 1, NewEpoch: "e"}, false},
	} {
		before := proto.CloneOf(c.cmd)
		if err := toCome().Needs(v, c.cmd); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
		if !proto.Equal(before, c.cmd) {
			t.Errorf("%s: the command was changed", c.what)
		}
	}
}

// A state that differs is replaced by another node's, with what came meanwhile.
func TestReplace_TakesTheStateAndWhatCameMeanwhile(t *testing.T) {
	var log []*raft.Log
	right, wrong := start(t), start(t)
	feed := func(c *peerpb.Command, to ...machine) {
		log = append(log, entry(t, uint64(len(log)+1), c))
		for _, m := range to {
			m.ApplyBatch(log[len(log)-1:])
		}
	}
	feed(begin(), right, wrong)
	feed(command(put(&configpb.AgentGroup{Name: "a"})), right)
	wrong.ApplyBatch([]*raft.Log{entry(t, 2, command(put(&configpb.AgentGroup{Name: "bad"})))})
	if r, w := right.Mark(), wrong.Mark(); r.Index != w.Index || r.Sum == w.Sum {
		t.Fatalf("marks of different states: %v and %v", r, w)
	}
	_ = wrong.Park(fsm.ErrDiverged)
	feed(command(put(&configpb.AgentGroup{Name: "b"})), right, wrong)
	snapshot := snapshotOf(t, right)
	feed(command(put(&configpb.AgentGroup{Name: "c"})), right, wrong)
	old := start(t)
	old.ApplyBatch(log[:1])
	missed := func(from, to uint64) ([]*raft.Log, error) { return slices.Clone(log[from-1 : to]), nil }
	if err := wrong.Replace(bytes.NewReader(snapshotOf(t, old)), missed); err == nil || wrong.Parked() == nil {
		t.Errorf("a snapshot older than the state was taken: %v", err)
	}
	if err := wrong.Replace(bytes.NewReader(snapshot), missed); err != nil || wrong.Parked() != nil {
		t.Fatalf("replacing: %v, parked %v", err, wrong.Parked())
	}
	feed(command(put(&configpb.AgentGroup{Name: "d"})), right, wrong)
	for how, m := range map[string]machine{"itself": wrong, "opened again": reopened(t, wrong)} {
		if m.Mark() != right.Mark() || m.Digest() != right.Digest() {
			t.Errorf("%s: at %v, want %v", how, m.Mark(), right.Mark())
		}
	}
	if k, ok := right.MarkAt(2); !ok || k.Index != 2 {
		t.Errorf("the mark at 2: %v %v", k, ok)
	}
	if _, ok := wrong.MarkAt(2); ok {
		t.Error("the mark of a state that was replaced is still told")
	}
}

// A backup of a higher level than the cluster's is refused for the reason that a program
// gives which knows that level: else the two would have different states.
func TestLevel_RestoreOfAHigherOne(t *testing.T) {
	next := fsm.Program().Known + 1
	higher, m := program(t, filepath.Join(t.TempDir(), "config.db"), &fsm.Features{Known: next}), start(t)
	for _, c := range []*peerpb.Command{begin(), knows(next), command(putLevel(next))} {
		apply(t, higher, c)
	}
	apply(t, m, begin())
	if err := result(t, m, command(restoring(t, higher.View()))).Err; !errors.Is(err, fsm.ErrVersion) || !strings.Contains(err.Error(), fmt.Sprintf("needs feature level %d, the cluster has 1", next)) {
		t.Errorf("it is refused with %v", err)
	}
}
