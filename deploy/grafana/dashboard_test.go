package grafana

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what the rules below look at.
type dashboard struct {
	Title, UID, Description string
	Templating              struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ UID string }
	}
}

func read(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile("sipcluster.json")
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard_IsWellMade has the rules of Grafana's dashboard-linter that can be told
// from the file: a data source and a job to choose, panels that say what they show and in
// which unit, queries that choose by job, and rates over the interval that fits.
func TestDashboard_IsWellMade(t *testing.T) {
	d := read(t)
	if d.Title == "" || d.UID == "" || d.Description == "" || len(d.Panels) < 10 {
		t.Errorf("it has no title, uid, description or panels")
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type + " " + v.Query
	}
	if variables["datasource"] != "datasource prometheus" || !strings.Contains(variables["job"], "label_values(sipcluster_build_info, job)") {
		t.Errorf("variables: %v", variables)
	}
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other := ids[p.ID]; other != "" {
			t.Errorf("%s has the id of %s", p.Title, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" {
			t.Run(p.Title, func(t *testing.T) { wellMade(t, &p) })
		}
	}
}

// selector is a metric that the query reads, with its matchers.
var selector = regexp.MustCompile(`\b((?:sipcluster|process)_\w+|up)(\{[^}]*\})?`)

func wellMade(t *testing.T, p *panel) {
	if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
		t.Error("it has no title, description, unit or query, or a data source of its own")
	}
	for _, q := range p.Targets {
		if q.LegendFormat == "" || q.Datasource.UID != "${datasource}" {
			t.Errorf("%s: no legend, or a data source of its own", q.Expr)
		}
		for _, s := range selector.FindAllStringSubmatch(q.Expr, -1) {
			if !strings.Contains(s[2], `job=~"$job"`) {
				t.Errorf("%s: %s is not chosen by job", q.Expr, s[1])
			}
			counted := strings.Contains(q.Expr, "rate("+s[0]+"[$__rate_interval]") || strings.Contains(q.Expr, "increase("+s[0]+"[$__rate_interval]")
			if (strings.HasSuffix(s[1], "_total") || strings.HasSuffix(s[1], "_bucket")) != counted {
				t.Errorf("%s: counters, and nothing else, are read by rate or increase over $__rate_interval", q.Expr)
			}
		}
	}
}

// quiet are those whose series come only with what they count, or with keys: a
// certificate's is looked for by the test of the image.
var quiet = regexp.MustCompile(`sip_rejects_total|certificate_expiry`)

// TestDashboard_QueriesReturnSeries asks a Prometheus that scrapes a cluster, whose
// address scripts/test-alerts gives. A query that the language does not allow, or for
// which there is nothing, is a panel that stays empty.
func TestDashboard_QueriesReturnSeries(t *testing.T) {
	at := os.Getenv("PROMETHEUS")
	if at == "" {
		t.Skip("scripts/test-alerts runs this")
	}
	fill := strings.NewReplacer("$job", ".+", "$__rate_interval", "1m")
	for _, p := range read(t).Panels {
		for _, q := range p.Targets {
			series, err := ask(at, fill.Replace(q.Expr))
			if err != nil || series == 0 && !quiet.MatchString(q.Expr) {
				t.Errorf("%s: %s: %d series, %v", p.Title, q.Expr, series, err)
			}
		}
	}
}

func ask(at, query string) (series int, err error) {
	res, err := http.Get(at + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status != "success" {
		return 0, fmt.Errorf("%s: %w", answer.Error, err)
	}
	return len(answer.Data.Result), nil
}

// TestMetrics_KeepToTheConventions: promtool reads what a node tells, which
// scripts/test-alerts has kept in a file.
func TestMetrics_KeepToTheConventions(t *testing.T) {
	file := os.Getenv("METRICS")
	if file == "" {
		t.Skip("scripts/test-alerts runs this")
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
