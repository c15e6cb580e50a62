package cdr

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/problem"
)

// server takes records, or does not.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string
	auth   string
}

func newServer(t *testing.T) *server {
	s := &server{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.auth = r.Header.Get("Authorization") + " " + r.Header.Get("Content-Type")
		for line := range strings.Lines(string(b)) {
			if s.got = append(s.got, strings.TrimSpace(line)); s.status != http.StatusOK {
				s.got = s.got[:len(s.got)-1]
			}
		}
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answers(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *server) has() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// recorder runs until the test, or the function that is returned, ends it.
func recorder(t *testing.T, cfg Config) (*Recorder, func()) {
	t.Helper()
	cfg.Node, cfg.Site, cfg.Name, cfg.Keep, cfg.Log = "sip1", "dc1", name, max(cfg.Keep, 3), slog.New(slog.DiscardHandler)
	if cfg.Size == 0 {
		cfg.Size = 1 << 20
	}
	if cfg.Problems == nil {
		cfg.Problems = problem.New(cfg.Log)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := patience.Receive(t, "the end of the recorder", done); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return r, end
}

// over notes a whole call.
func over(r *Recorder, id call.ID) {
	r.Note(call.Note{Call: id, Event: &call.Event{Kind: call.Dialing, Call: id, Info: &call.Info{Caller: "1001", Type: call.Internal}}})
	r.Note(call.Note{Call: id})
}

// ids are those of lines of JSON.
func ids(t *testing.T, lines []string) string {
	t.Helper()
	var all []string
	for _, line := range lines {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, r.ID)
	}
	return strings.Join(all, " ")
}

func TestHook_EachRecordAtLeastOnceAndInOrder(t *testing.T) {
	dir, s := t.TempDir(), newServer(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("geheim\nx"), 0o600); err != nil {
		t.Fatal(err)
	}
	problems := problem.New(slog.New(slog.DiscardHandler))
	cfg := Config{Dir: dir, Hook: s.URL + "/calls?key=geheim2", TokenFile: token, Problems: problems, Size: leastForTest}
	r, end := recorder(t, cfg)
	want := []string{}
	add := func(r *Recorder, n int) {
		for range n {
			id := call.ID(fmt.Sprintf("%016x", len(want)+1))
			over(r, id)
			want = append(want, string(id))
		}
	}
	all := func() bool { return len(s.has()) == len(want) }
	add(r, 3)
	patience.Until(t, "three records at the server", all)
	s.answers(http.StatusServiceUnavailable)
	add(r, 2)
	patience.Until(t, "a problem that is told", func() bool {
		list := problems.List()
		return len(list) == 1 && list[0].Code == "call-records-hook" && strings.Contains(list[0].Text, "503") && !strings.Contains(list[0].Text, "geheim")
	})
	end() // while they are not sent
	s.answers(http.StatusOK)
	r, end = recorder(t, cfg)
	patience.Until(t, "what was left", all)
	add(r, 5) // beyond the size of a file
	patience.Until(t, "records of several files", all)
	same(t, ids(t, s.has()), strings.Join(want, " "))
	same(t, s.auth, "Bearer geheim "+NDJSON)
	patience.Until(t, "no problem any more", func() bool { return len(problems.List()) == 0 })
	patience.Until(t, "what was sent is counted", func() bool { return r.Stats().Sent == 7 })
	if st := r.Stats(); st.Written != 5 || st.Lost+st.Unsent != 0 {
		t.Errorf("%+v", st)
	}
	end()
	if err := os.WriteFile(filepath.Join(dir, "sip1-calls.sent"), []byte("{"), 0o640); err != nil {
		t.Fatal(err)
	}
	recorder(t, cfg)
	patience.Until(t, "all that there is again, when nobody knows what was sent", func() bool { return len(s.has()) > len(want) })
}

// leastForTest is room for three records.
const leastForTest = 1100

// TestHook_WhatAPowerFailureTook from the file had been sent, and what is written in its place
// is sent too, whole.
func TestHook_WhatAPowerFailureTook(t *testing.T) {
	dir, s := t.TempDir(), newServer(t)
	cfg := Config{Dir: dir, Hook: s.URL}
	r, end := recorder(t, cfg)
	for i := range 9 {
		over(r, call.ID(fmt.Sprint("before", i)))
	}
	patience.Until(t, "the records", func() bool { return r.Stats().Sent == 9 })
	end()
	name := filepath.Join(dir, mustList(t, dir)[0])
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b[:len(b)/3], 0o640); err != nil {
		t.Fatal(err)
	}
	s.answers(http.StatusBadGateway) // until more was written than was taken
	r, _ = recorder(t, cfg)
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprint("after", i))
		over(r, call.ID(want[i]))
	}
	patience.Until(t, "the records in the file", func() bool { return r.Stats().Written == 9 })
	s.answers(http.StatusOK)
	patience.Until(t, "all records", func() bool { return r.Stats().Sent == 9 })
	same(t, ids(t, s.has()[9:]), strings.Join(want, " "))
}

// TestHook_WhatWasDeletedUnsent is counted, and what is left is sent.
func TestHook_WhatWasDeletedUnsent(t *testing.T) {
	dir, s := t.TempDir(), newServer(t)
	s.answers(http.StatusBadGateway)
	cfg := Config{Dir: dir, Hook: s.URL, Size: leastForTest, Keep: 3}
	r, end := recorder(t, cfg)
	over(r, "first")
	patience.Until(t, "an attempt in vain", func() bool { return r.Stats().Failed > 0 })
	end()
	at, err := json.Marshal(cursor{File: mustList(t, dir)[0], Offset: 0})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sip1-calls.sent"), at, 0o640); err != nil {
		t.Fatal(err)
	}
	r, end = recorder(t, Config{Dir: dir, Size: leastForTest, Keep: 3})
	for i := range 20 {
		over(r, call.ID(fmt.Sprint("later", i)))
		patience.Until(t, "the record in a file", func() bool { return r.Stats().Written == uint64(i+1) })
	}
	end()
	s.answers(http.StatusOK)
	r, _ = recorder(t, cfg)
	patience.Until(t, "what is left", func() bool { got := s.has(); return len(got) > 0 && strings.Contains(got[len(got)-1], "later19") })
	if got := ids(t, s.has()); strings.Contains(got, "first") || r.Stats().Unsent != 1 {
		t.Errorf("%s, %+v", got, r.Stats())
	}
}

// TestHook_WhatWasDeletedIsToldOnce, also while the server takes nothing.
func TestHook_WhatWasDeletedIsToldOnce(t *testing.T) {
	dir, s := t.TempDir(), newServer(t)
	s.answers(http.StatusBadGateway)
	cfg := Config{Dir: dir, Hook: s.URL}
	if err := os.WriteFile(filepath.Join(dir, "sip1-calls.sent"), []byte(`{"file":"sip1-calls-20200101T000000.000000000Z.jsonl","offset":7}`), 0o640); err != nil {
		t.Fatal(err)
	}
	r, _ := recorder(t, cfg)
	over(r, "later")
	patience.Until(t, "several attempts in vain", func() bool { return r.Stats().Failed > 1 })
	if st := r.Stats(); st.Unsent != 1 {
		t.Errorf("%+v", st)
	}
}
