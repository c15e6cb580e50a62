package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/history/historytest"
	"github.com/sipcluster/sipcluster/jepsen/report"
)

func render(t *testing.T, h *history.History) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.HTML(&out, h, check.All(h, h.Bounds)); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("REPORT_DIR"); dir != "" { // to look at it
		name := strings.ReplaceAll(t.Name(), "/", "_") + ".html"
		if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// bad is a run in which a node kept a DN of an owner it could not hear, and
// lost another one without a reason.
func bad() *history.History {
	h := historytest.Clean(3, 150*time.Second)
	for i := range h.Polls {
		p := &h.Polls[i]
		for j, r := range p.Rows {
			if p.Node == "n3" && r.Reason == "peer-lost" && p.Asked < 30*time.Second {
				p.Rows[j] = history.Row{DN: r.DN, InSrv: true, Owner: r.Owner, Reason: "registered"}
			}
			if p.Node == "n2" && r.DN == "2012" && p.Asked > 132*time.Second && p.Asked < 136*time.Second {
				p.Rows[j] = history.Row{DN: r.DN, Owner: "n3", Reason: "peer-lost"}
			}
		}
	}
	return h
}

func TestHTML_IsOneWellFormedFileWithoutOutsideResources(t *testing.T) {
	for name, h := range map[string]*history.History{
		"clean": historytest.Clean(3, 150*time.Second),
		"bad":   bad(),
		"empty": {Header: history.Header{Scenario: "<none> & nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := render(t, h)
			for _, outside := range []string{"http:", "https:", "<script", "<link", "@import", "url("} {
				if strings.Contains(text, outside) {
					t.Errorf("the page contains %q", outside)
				}
			}
			wellFormed(t, text)
		})
	}
}

// wellFormed reads the page as XML, but for what HTML may leave open.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHTML_TellsEachFinding(t *testing.T) {
	h := bad()
	text := render(t, h)
	v := check.All(h, h.Bounds)
	if v.Result != check.Failed {
		t.Fatalf("the run is %s, want failed", v.Result)
	}
	for i := range v.Findings {
		for _, want := range []string{fmt.Sprintf(`id="finding-%d"`, i+1), fmt.Sprintf(`id="mark-%d"`, i+1)} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s", want)
			}
		}
	}
}

func TestHTML_OfALongRunStaysSmall(t *testing.T) {
	h := historytest.Clean(5, 10*time.Minute)
	for len(h.Ops) < 100_000 {
		h.Ops = append(h.Ops, h.Ops[:min(len(h.Ops), 100_000-len(h.Ops))]...)
	}
	var out bytes.Buffer
	if err := report.HTML(&out, h, check.Verdict{Result: check.Passed}); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 5<<20 {
		t.Errorf("the page has %d bytes, want at most 5 MB", out.Len())
	}
	t.Logf("%d kB", out.Len()>>10)
}

func TestJSON_HasVerdictAndBounds(t *testing.T) {
	h := historytest.Clean(3, 150*time.Second)
	var out bytes.Buffer
	if err := report.JSON(&out, h, check.All(h, h.Bounds)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Seed     uint64
		Verdict  check.Verdict
		Measured []report.Bound
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Seed != 3 || got.Verdict.Result != check.Passed || len(got.Measured) == 0 {
		t.Errorf("report is %+v", got)
	}
}
