package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// callRecord is what a script reads of a line.
type callRecord struct {
	Node, Site, Type, Caller, DNIS, Outcome, Began, Answered, Ended string
	AnsweredBy                                                      string `json:"answered_by"`
	Cause                                                           int
	Incomplete                                                      bool
	Tries                                                           []struct{ DN, Node, Answered string }
}

// Each call that is over has its line, also one that nobody was told of.
func TestCallRecords_OfRealCalls(t *testing.T) {
	_, cfg, caller, agent := callsNode(t)
	records := func() (all []callRecord) {
		files, err := filepath.Glob(filepath.Join(cfg.Records.Dir, "sip1-calls-*.jsonl"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var r callRecord
			if !strings.HasSuffix(line, "\n") {
				break
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
	call := calls(t, caller, "1002")
	taken, err := agent.Take(t.Context())
	if err != nil || taken.Ring() != nil || taken.Answer() != nil {
		t.Fatal("nobody answers", err)
	}
	if _, err := call.Await(t.Context(), 200); err != nil || call.Ack() != nil {
		t.Fatal(err)
	}
	if _, err := call.Bye(t.Context()); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the record of a call", func() bool { return len(records()) == 1 })
	r := records()[0]
	if r.Node != "sip1" || r.Site != "dc1" || r.Type != "internal" || r.Caller != "1001" || r.DNIS != "1002" || r.Outcome != "answered" || r.AnsweredBy != "1002" || r.Cause != 0 || r.Incomplete ||
		len(r.Tries) != 1 || r.Tries[0].DN != "1002" || r.Tries[0].Node != "sip1" || r.Tries[0].Answered == "" || r.Began == "" || r.Answered == "" || r.Ended == "" {
		t.Errorf("%+v", r)
	}
	if _, err := calls(t, caller, "1009").Await(t.Context(), 404); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the record of one that reached nobody", func() bool { return len(records()) == 2 })
	if r := records()[1]; r.Outcome != "failed" || r.Cause != 404 || r.DNIS != "1009" || len(r.Tries) != 0 {
		t.Errorf("%+v", r)
	}
}
