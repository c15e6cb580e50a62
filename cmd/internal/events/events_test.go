package events

import (
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 2, 14, 30, 0, 0, time.Local)
	for s, want := range map[string]time.Time{
		"14:00": now.Add(-30 * time.Minute), "14:30": now, "14:31": now.Add(time.Minute - 24*time.Hour), "14:29:58": now.Add(-2 * time.Second),
		"10m": now.Add(-10 * time.Minute), "0s": now, "2026-01-02 14:00": now.Add(-30 * time.Minute), "2026-01-02T14:00:30": now.Add(-30*time.Minute + 30*time.Second),
		"2026-01-02": now.Add(-14*time.Hour - 30*time.Minute), timeText(now, now.Add(-48*time.Hour)): now.Add(-48 * time.Hour),
		"2026-01-02T14:00:00+01:00": time.Date(2026, 1, 2, 13, 0, 0, 0, time.UTC),
	} {
		if got, err := moment(now, "since", s); err != nil || !got.AsTime().Equal(want) {
			t.Errorf("%s: %v %v, want %v", s, got.AsTime(), err, want)
		}
	}
	for _, s := range []string{"x", "25:00", "-10m", "14", "2026-01-32", "2026-01-02 25:00"} {
		if _, err := moment(now, "since", s); err == nil {
			t.Errorf("%s is a time", s)
		}
	}
	if got, err := moment(now, "since", ""); got != nil || err != nil {
		t.Errorf("no time: %v %v", got, err)
	}
}

func TestFill(t *testing.T) {
	r := &tcpb.ListEventsRequest{Limit: 1}
	if err := fill(r, time.Now(), "1h", "", []string{"call", "configuration"}); err != nil || len(r.GetKinds()) != 2 || r.GetKinds()[1] != tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION {
		t.Error(r, err)
	}
	for _, kinds := range [][]string{{"calls"}, {""}} {
		if err := fill(&tcpb.ListEventsRequest{Limit: 1}, time.Now(), "", "", kinds); err == nil {
			t.Errorf("%q are kinds", kinds)
		}
	}
	now := time.Date(2026, 1, 2, 14, 30, 0, 0, time.Local)
	for _, times := range [][2]string{{"10m", "20m"}, {"2026-01-02 14:36", ""}, {"14:20", "14:10"}} {
		if err := fill(&tcpb.ListEventsRequest{Limit: 1}, now, times[0], times[1], nil); err == nil {
			t.Errorf("there is something from %s until %s", times[0], times[1])
		}
	}
	for _, times := range [][2]string{{"20m", "10m"}, {"14:20", "14:20"}, {"", "2h"}, {"2026-01-02 14:31", ""}} {
		if err := fill(&tcpb.ListEventsRequest{Limit: 10_000}, now, times[0], times[1], nil); err != nil {
			t.Error(err)
		}
	}
	if len(kindNames()) != 6 {
		t.Error(kindNames())
	}
}

// What is not told of a write is counted: all that are behind the first ones, and in all
// where only those of a DN are told.
func TestWrite(t *testing.T) {
	twenty := make([]string, toldChanges)
	for i := range twenty {
		twenty[i] = "x"
	}
	for want, w := range map[string]*tcpb.HistoryWrite{
		"put dn 1 by me":                                 {By: "me", Changes: []string{"put dn 1"}, Mutations: 1},
		"put dn 1 (of 7 changes) by me":                  {By: "me", Changes: []string{"put dn 1"}, Mutations: 7},
		"put dn 1 by me, refused: no number":             {By: "me", Changes: []string{"put dn 1"}, Mutations: 1, Refused: "no number"},
		strings.Join(twenty, ", ") + " and 5 more by me": {By: "me", Changes: twenty, Mutations: 25},
	} {
		if got := write(w).Text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
