package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// founded is the configuration of a cluster that was bootstrapped.
func founded(t *testing.T, d *configpb.DN) *fsm.View {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []*peerpb.Command{
		{Version: 1, NewEpoch: "c1"},
		{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: d}}}},
	} {
		data, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Apply(&raft.Log{Index: uint64(i + 1), Type: raft.LogCommand, Data: data}).(fsm.Result); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	view := m.View()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return view
}

// copyDir is what a killed process leaves: the pages as they were written.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	data, err := os.ReadFile(filepath.Join(dir, "agents.db"))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "agents.db"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func record(n dn.Number, claim int64, seq uint32, agent string) *dn.Record {
	return &dn.Record{Number: n, ClaimTime: claim, Seq: seq, Agent: &dn.Agent{ID: agent, State: dn.Ready}}
}

// storeIn opens the store in a directory, and closes it with the test.
func storeIn(t *testing.T, dir string) (*store, *logLines) {
	t.Helper()
	lines := &logLines{}
	s, err := openStore(dir, slog.New(slog.NewTextHandler(lines, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s, lines
}

func runStore(t *testing.T, s *store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.run(ctx) })
	stop = func() { cancel(); patience.Done(t, "the end of the store", wg.Wait) }
	t.Cleanup(stop)
	return stop
}

// filled is a store's directory with some agents.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, _ := storeIn(t, dir)
	for _, n := range []dn.Number{"1", "2", "3"} {
		s.put(record(n, 5, 1, "7"))
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAgentStore_OlderWordNeverReplacesANewer(t *testing.T) {
	dir := t.TempDir()
	s, _ := storeIn(t, dir)
	s.put(record("1", 5, 2, "new"))
	s.put(record("1", 5, 1, "old"))
	s.put(record("1", 4, 9, "older"))
	s.put(record("2", 5, 2, "x"))
	s.drop("2")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, _ = storeIn(t, dir)
	if got := s.restored(); len(got) != 1 || got[0].Agent.ID != "new" {
		t.Errorf("stored %+v", got)
	}
}

func TestAgentStore_DamagedFileIsSetAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"no bbolt file": func([]byte) []byte { return []byte("something else, and not even short: it is longer than a header") },
		"cut off":       func(b []byte) []byte { return b[:5000] },
		"zeroed pages":  func(b []byte) []byte { clear(b[8192:]); return b },
		"garbled pages": func(b []byte) []byte {
			for i := 8192; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			path := filepath.Join(dir, "agents.db")
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, damage(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, lines := storeIn(t, dir)
			if lines.count("set aside") != 1 {
				t.Errorf("logged %q", lines.lines)
			}
			runStore(t, s)
			patience.Receive(t, "the write of the record", s.put(record("9", 5, 1, "7")))
			if err := s.failing(); err != nil {
				t.Error(err)
			}
		})
	}
}

// One value is damaged: the others are taken over into the fresh file.
func TestAgentStore_KeepsWhatIsReadable(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "agents.db")
	f, err := openBolt(path)
	if err == nil {
		err = errors.Join(f.write(map[dn.Number][]byte{"2": []byte("garbage")}), f.close())
	}
	if err != nil {
		t.Fatal(err)
	}
	s, lines := storeIn(t, dir)
	if got := s.restored(); len(got) != 2 || lines.count("set aside") != 1 {
		t.Errorf("restored %+v, logged %q", got, lines.lines)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, lines = storeIn(t, dir)
	if got := s.restored(); len(got) != 2 || lines.count("set aside") != 0 {
		t.Errorf("then restored %+v, logged %q", got, lines.lines)
	}
}

// The file can't be written: everything is answered, said once, stored later.
func TestAgentStore_WritesLaterWhatItCannotWriteNow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agents")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := openNode(t, "a", dir, twoNodes(t)).run(t)
	a.table.Register("1000", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	a.does(t, "1000", Change{Request: ready})
	if a.agents.Failing() == nil || a.log.count("cannot be written") != 1 {
		t.Errorf("failing with %v, logged %q", a.agents.Failing(), a.log.lines)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it is stored", func() bool { return a.agents.Failing() == nil })
	a.end(t)
	s, _ := storeIn(t, dir)
	if got := s.restored(); len(got) != 1 || got[0].Agent.State != dn.Ready {
		t.Errorf("stored %+v", got)
	}
}

// The file is there again, as it was long ago: nothing of that counts.
func TestAgentStore_FileThatComesLateIsBroughtUpToDate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agents.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	a := openNode(t, "a", dir, twoNodes(t))
	a.table.Register("1000", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	if err := errors.Join(os.Remove(path), os.Rename(filepath.Join(filled(t), "agents.db"), path)); err != nil {
		t.Fatal(err)
	}
	a.run(t)
	waitFor(t, "it is stored", func() bool { return a.agents.Failing() == nil && len(a.agents.store.numbers()) == 1 })
	a.end(t)
	s, _ := storeIn(t, dir)
	if got := s.restored(); len(got) != 1 || got[0].Number != "1000" {
		t.Errorf("stored %+v", got)
	}
}

// Nobody stores: the answer waits for that, but not for ever.
func TestAgentStore_AnswerWaitsForTheDisk(t *testing.T) {
	dir, view := t.TempDir(), twoNodes(t, collectFor(1))
	synctest.Test(t, func(t *testing.T) {
		a := openNode(t, "a", dir, view)
		a.table.Register("1000", dn.Registered)
		began := time.Now()
		a.does(t, "1000", Change{Request: login, AgentID: "7"})
		if took := time.Since(began); took != storeTimeout {
			t.Errorf("answered after %v", took)
		}
	})
}

// bbolt panics over a page while the node runs: a fresh file gets everything.
func TestAgentStore_FileThatFailsWhileRunningIsReplaced(t *testing.T) {
	a := newNode(t, "a", twoNodes(t))
	a.table.Register("1000", dn.Registered)
	a.table.Register("1001", dn.Registered)
	a.does(t, "1000", Change{Request: login, AgentID: "7"})
	if err := a.agents.store.replace(a.agents.store.file, disk.ErrDamaged); !errors.Is(err, errFresh) {
		t.Fatal(err)
	}
	a.does(t, "1001", Change{Request: login, AgentID: "8"})
	waitFor(t, "both are put again", func() bool { return len(a.agents.store.numbers()) == 2 })
	a.end(t)
	s, _ := storeIn(t, a.dir)
	if got := s.restored(); len(got) != 2 {
		t.Errorf("stored %+v", got)
	}
}

func TestAgentStore_BelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	storeIn(t, dir)
	if _, err := openStore(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
}

func FuzzDecodeAgent(f *testing.F) {
	now := time.Unix(1700000000, 0)
	f.Add([]byte("1"), encodeAgent(record("1", 5, 1, "7"), now))
	f.Add([]byte(""), []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, ok := decodeAgent(key, value, now)
		if !ok {
			return
		}
		if again, ok := decodeAgent(key, encodeAgent(&r, now), now); !ok || !again.Agent.Equal(r.Agent) || again.Reserved != r.Reserved {
			t.Errorf("%+v comes back as %+v", r, again)
		}
	})
}
