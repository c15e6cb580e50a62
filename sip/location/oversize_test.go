package location

import (
	"strings"
	"testing"
	"time"
)

// oversize is an entry that makes a payload longer than the journal's reader takes.
func oversize(n string, end time.Time) *Entry {
	e := entry(n, 7, end)
	for range maxPayload/maxText + 1 {
		e.Bindings[0].Path = append(e.Bindings[0].Path, strings.Repeat("x", maxText))
	}
	return e
}

// TestStore_AnOversizeEntryCostsNoOther: the journal stays readable, what comes
// behind the entry included, and an older state of the DN does not come back.
func TestStore_AnOversizeEntryCostsNoOther(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	end := time.Now().Add(time.Hour)
	for _, e := range []*Entry{entry("2001", 5, end), entry("2002", 5, end)} {
		s.Put(e)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	big := oversize("2001", end)
	s.Put(big)
	s.Put(entry("2003", 8, end))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if !same(s.Get("2001"), big, 0) {
		t.Error("it does not hold while the process runs")
	}
	s.crash()
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if len(damagedFiles(t, dir)) != 0 || s.Len() != 2 || s.Get("2002") == nil || s.Get("2003") == nil {
		t.Errorf("%d entries, damaged: %v", s.Len(), damagedFiles(t, dir))
	}
	if e := s.Get("2001"); e != nil {
		t.Errorf("claim %d came back", e.Record.ClaimTime)
	}
}

// TestStore_AnOversizeEntrySurvivesInTheBase folds one.
func TestStore_AnOversizeEntrySurvivesInTheBase(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	big := oversize("2001", time.Now().Add(time.Hour))
	s.Put(big)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if !same(s.Get("2001"), big, time.Minute) {
		t.Errorf("%d entries", s.Len())
	}
}
