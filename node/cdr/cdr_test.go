package cdr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/problem"
)

func TestMain(m *testing.M) { leftover.Main(m) }

func name(n dn.Node) string { return string(n) }

// calls is a table of calls whose records are made at once, by a clock that is moved.
type calls struct {
	*call.Table
	now  time.Time
	done []*Record
}

func newCalls() *calls {
	c := &calls{now: time.Date(2026, 11, 27, 14, 0, 0, 0, time.UTC)}
	f := newFold("sip1", "dc1", name)
	c.Table = call.New(call.Config{Self: "a", Incarnation: 1, Now: func() time.Time { return c.now }, Record: func(n call.Note) {
		if r := f.take(n); r != nil {
			c.done = append(c.done, r)
		}
	}})
	return c
}

func (c *calls) begin(t *testing.T, info call.Info) call.ID {
	t.Helper()
	id, err := c.Begin(info)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (c *calls) after(d time.Duration) *calls {
	c.now = c.now.Add(d)
	return c
}

// last is the only record since the last one was asked for, without its ID.
func (c *calls) last(t *testing.T, id call.ID) string {
	t.Helper()
	if len(c.done) != 1 || c.done[0].ID != string(id) {
		t.Fatalf("%d records: %+v, want that of %s", len(c.done), c.done, id)
	}
	c.done[0].ID = "X"
	b, err := json.Marshal(c.done[0])
	if err != nil {
		t.Fatal(err)
	}
	c.done = nil
	return strings.ReplaceAll(string(b), "2026-11-27T14:00:", "")
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRecord_IsAContract: of each way that a call can go.
func TestRecord_IsAContract(t *testing.T) {
	c := newCalls()
	id := c.begin(t, call.Info{Caller: "gw", Type: call.Inbound, ANI: "+4930", DNIS: "9000"})
	c.after(time.Second).Waits(id, "9000", "")
	c.after(time.Second).Waits(id, "9000", "sales")
	c.after(time.Second).Ringing(id, "1001", "b")
	c.Explain(id, "nobody took it")
	c.after(time.Second).Released(id, "1001", 408)
	c.Explain(id, "")
	c.Ringing(id, "1002", "a")
	c.after(time.Second).Left(id, "1002", 0)
	c.Established(id, "1002")
	c.Hold(id, call.Caller, "", true)
	c.after(10*time.Second).End(id, 0, false)
	same(t, c.last(t, id), `{"id":"X","node":"sip1","site":"dc1","type":"inbound","caller":"gw","ani":"+4930","dnis":"9000","began":"00Z","answered":"05Z","ended":"15Z","wait_ms":5000,"talk_ms":10000,"outcome":"answered","cause":0,"answered_by":"1002",`+
		`"queues":[{"dn":"9000","group":"sales","since":"01Z","left":"05Z","to":"1002","cause":0}],`+
		`"tries":[{"dn":"1001","node":"b","rang":"03Z","answered":"","ended":"04Z","cause":408,"why":"nobody took it"},{"dn":"1002","node":"a","rang":"04Z","answered":"05Z","ended":"15Z","cause":0}],"holds":1}`)

	id = c.begin(t, call.Info{Caller: "1003", Type: call.Internal, ANI: "1003", DNIS: "1001"})
	c.Ringing(id, "1001", "")
	c.after(2*time.Second).End(id, 487, true)
	same(t, c.last(t, id), `{"id":"X","node":"sip1","site":"dc1","type":"internal","caller":"1003","ani":"1003","dnis":"1001","began":"15Z","answered":"","ended":"17Z","wait_ms":2000,"talk_ms":0,"outcome":"abandoned","cause":487,"answered_by":"",`+
		`"queues":[],"tries":[{"dn":"1001","node":"","rang":"15Z","answered":"","ended":"17Z","cause":487,"abandoned":true}],"holds":0}`)

	id = c.begin(t, call.Info{Caller: "gw", Type: call.Inbound, ANI: "+49", DNIS: "1009"}) // nobody is told of it
	c.Explain(id, "there is none")
	c.after(time.Second).End(id, 404, false)
	same(t, c.last(t, id), `{"id":"X","node":"sip1","site":"dc1","type":"inbound","caller":"gw","ani":"+49","dnis":"1009","began":"17Z","answered":"","ended":"18Z","wait_ms":1000,"talk_ms":0,"outcome":"failed","cause":404,"why":"there is none","answered_by":"","queues":[],"tries":[],"holds":0}`)

	id = c.begin(t, call.Info{Caller: "1001", Type: call.Outbound, ANI: "1001", DNIS: "+4930"})
	c.after(3 * time.Second)
	c.Established(id, "")
	c.after(time.Second).End(id, 0, false)
	same(t, c.last(t, id), `{"id":"X","node":"sip1","site":"dc1","type":"outbound","caller":"1001","ani":"1001","dnis":"+4930","began":"18Z","answered":"21Z","ended":"22Z","wait_ms":3000,"talk_ms":1000,"outcome":"answered","cause":0,"answered_by":"","queues":[],"tries":[],"holds":0}`)
}

// TestFold_NotesThatAreLost make no record that says otherwise, and nothing is kept of what
// is over.
func TestFold_NotesThatAreLost(t *testing.T) {
	f := newFold("sip1", "dc1", name)
	begun := func(id call.ID, at int64) {
		f.take(call.Note{Call: id, Event: &call.Event{Kind: call.Dialing, Call: id, Info: &call.Info{Caller: "1001", Type: call.Internal, Began: at}}})
	}
	begun("x", 1)
	f.lost(10)
	begun("y", 9)    // its begin was among what was lost
	begun("new", 11) // while others are up
	for id, want := range map[call.ID]bool{"x": true, "y": true, "new": false} {
		if r := f.take(call.Note{Call: id}); r == nil || r.Incomplete != want {
			t.Errorf("%s: %+v", id, r)
		}
	}
	begun("z", 12)
	for range most + 5 {
		f.take(call.Note{Call: "z", Event: &call.Event{Kind: call.Ringing, ThisDN: "1", Role: call.Called}})
	}
	if r := f.take(call.Note{Call: "z"}); len(r.Tries) != most || !r.Incomplete {
		t.Errorf("%d tries, %+v", len(r.Tries), r.Incomplete)
	}
	begun("w", 13)
	if r := f.take(call.Note{Call: "w"}); r.Incomplete || f.take(call.Note{Call: "w"}) != nil || len(f.open) != 0 {
		t.Errorf("%+v, %d are kept", r, len(f.open))
	}
}

func TestFiles_AnotherOneWhenItIsLarge(t *testing.T) {
	dir := t.TempDir()
	f, err := openFiles(dir, "sip1", 20, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := f.write(fmt.Appendf(nil, "line %d....\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	f.close()
	content := func() string {
		all, err := f.list()
		if err != nil || len(all) > 3 {
			t.Fatal(all, err)
		}
		var text []string
		for _, name := range all {
			b, err := os.ReadFile(filepath.Join(dir, name))
			info, err2 := os.Stat(filepath.Join(dir, name))
			if err != nil || err2 != nil || info.Mode().Perm()&0o007 != 0 {
				t.Fatal(err, err2, info)
			}
			text = append(text, string(b))
		}
		return strings.Join(text, "|")
	}
	same(t, content(), "line 7....\n|line 8....\n|line 9....\n")
	all, _ := f.list()
	if err := os.WriteFile(filepath.Join(dir, all[2]), []byte("whole\nhal"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sip1-calls-x.jsonl"), nil, 0o640); err != nil { // not ours
		t.Fatal(err)
	}
	if f, err = openFiles(dir, "sip1", 20, 3); err != nil {
		t.Fatal(err)
	}
	if err := f.write([]byte("next\n")); err != nil {
		t.Fatal(err)
	}
	same(t, content(), "line 7....\n|line 8....\n|whole\nnext\n")
	future := filepath.Join(dir, "sip1-calls-"+time.Now().Add(time.Hour).UTC().Format(fileTime)+suffix)
	if err := os.WriteFile(future, []byte("a clock that was wrong\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := f.write([]byte("and the next\n")); err != nil {
		t.Fatal(err)
	}
	f.close()
	if got := content(); !strings.HasSuffix(got, "|a clock that was wrong\n|and the next\n") {
		t.Error(got)
	}
}

// TestFiles_SomebodyRemovesThem, or renames them: what is written later is found all the same.
func TestFiles_SomebodyRemovesThem(t *testing.T) {
	dir := t.TempDir()
	f, err := openFiles(dir, "sip1", 1<<20, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for i, away := range []func(string) error{os.Remove, func(name string) error { return os.Rename(name, name+".old") }} {
		line := fmt.Sprintf("line %d\n", i)
		if err := errors.Join(f.write([]byte("before\n")), away(filepath.Join(dir, last(dir))), f.write([]byte(line))); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, last(dir))); err != nil || string(b) != line {
			t.Errorf("%q, %v, want %q", b, err, line)
		}
	}
}

// TestRecorder_TheEndIsLost: a call whose end was not noted has a record all the same, and
// nothing is kept of it; one that is up goes on.
func TestRecorder_TheEndIsLost(t *testing.T) {
	f, err := openFiles(t.TempDir(), "sip1", 1<<20, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	r := &Recorder{cfg: Config{Problems: problem.New(slog.New(slog.DiscardHandler)), Up: func(id call.ID) bool { return id == "up" }}, notes: make(chan call.Note, 3), files: f}
	folded := newFold("sip1", "dc1", name)
	begun := func(id call.ID) call.Note {
		return call.Note{Call: id, Event: &call.Event{Kind: call.Dialing, Call: id, Info: &call.Info{Type: call.Internal}}}
	}
	for _, n := range []call.Note{begun("over"), begun("up"), begun("waits"), {Call: "over"}} {
		r.Note(n)
	}
	if n := r.batch(folded, nil); n != 2 || len(folded.open) != 1 || folded.open["up"] == nil || r.Stats().Lost != 1 || r.Stats().Written != 2 {
		t.Errorf("%d records, %d are open: %+v", n, len(folded.open), r.Stats())
	}
	r.Note(call.Note{Call: "up"})
	if n := r.batch(folded, nil); n != 1 || len(folded.open) != 0 {
		t.Errorf("%d records, %d are open", n, len(folded.open))
	}
}

func mustList(t *testing.T, dir string) []string {
	t.Helper()
	all, err := (&files{dir: dir, prefix: "sip1-calls-"}).list()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	return all
}

// TestRecorder_IsStopped writes what it knows of the calls that are up: they go on without it.
func TestRecorder_IsStopped(t *testing.T) {
	dir := t.TempDir()
	r, end := recorder(t, Config{Dir: dir})
	info := &call.Info{Caller: "1001", Type: call.Internal, Began: 1e18}
	for _, id := range []call.ID{"rings", "talks", "over"} {
		r.Note(call.Note{Call: id, Event: &call.Event{Kind: call.Ringing, Call: id, ThisDN: "1002", Role: call.Called, Info: info, Time: 1e18}})
		if id != "rings" {
			r.Note(call.Note{Call: id, Event: &call.Event{Kind: call.Established, Call: id, ThisDN: "1002", Role: call.Called, Info: info, Time: 1e18 + 1e9}})
		}
	}
	r.Note(call.Note{Call: "over"})
	end()
	b, err := os.ReadFile(filepath.Join(dir, last(dir)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(r.ID, " ", r.Outcome, " ", r.AnsweredBy, " ", r.Incomplete, " ", r.Ended != ""))
	}
	same(t, strings.Join(got, ", "), "over answered 1002 false false, rings failed  true false, talks answered 1002 true false")
}

// TestRecorder_ADiskThatFails loses records, says so, and goes on when it is mended.
func TestRecorder_ADiskThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	problems := problem.New(slog.New(slog.DiscardHandler))
	r, _ := recorder(t, Config{Dir: dir, Size: leastForTest, Problems: problems})
	over(r, "a")
	patience.Until(t, "a record", func() bool { return r.Stats().Written == 1 })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "a loss that is told", func() bool {
		over(r, "b")
		return r.Stats().Lost > 0 && len(problems.List()) == 1
	})
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "records again", func() bool {
		over(r, "c")
		b, err := os.ReadFile(filepath.Join(dir, last(dir)))
		return err == nil && bytes.Contains(b, []byte(`"id":"c"`)) && len(problems.List()) == 0
	})
}

func last(dir string) string {
	all, _ := (&files{dir: dir, prefix: "sip1-calls-"}).list()
	if len(all) == 0 {
		return "none"
	}
	return all[len(all)-1]
}

// BenchmarkNote is what a change of a call costs it.
func BenchmarkNote(b *testing.B) {
	f, err := openFiles(b.TempDir(), "sip1", 64<<20, 2)
	if err != nil {
		b.Fatal(err)
	}
	defer f.close()
	r := &Recorder{cfg: Config{Problems: problem.New(slog.New(slog.DiscardHandler)), Name: name}, notes: make(chan call.Note, maxNotes), files: f}
	n := call.Note{Call: "x", Event: &call.Event{Kind: call.Held, Info: &call.Info{}}}
	for b.Loop() {
		r.Note(n)
		if len(r.notes) == maxNotes {
			b.StopTimer()
			for len(r.notes) > 0 {
				<-r.notes
			}
			b.StartTimer()
		}
	}
}
