package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node"
)

// shown are the commands that only show something: their output in the documents has the
// form of what a cluster of two nodes prints.
var shown = regexp.MustCompile(`^(events|call list|dn (list|get|why)|node list|status|keyring list|route (list|test)|stats|bans list|ca show|token list|whoami)\b`)

// TestDocs_TablesHaveTheColumnsThatAreShown runs the commands of the documents that show
// something, and compares columns of tables and names in JSON with what stands there.
// Values are of another cluster.
func TestDocs_TablesHaveTheColumnsThatAreShown(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two nodes")
	}
	do := documented(t)
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, doc := range append(docs, "../../README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commandsOf(string(text)) {
			if !shown.MatchString(strings.Join(c.words, " ")) {
				continue
			}
			if status, out, _ := do(hereOnly(c.words)...); status == exitDone {
				n, wrong := differ(c.output, strings.Split(out, "\n"))
				compared += n
				for _, w := range wrong {
					t.Errorf("%s:%d: %s", filepath.Base(doc), c.number, w)
				}
			}
		}
	}
	t.Logf("%d tables and objects were compared", compared)
	if compared < 10 {
		t.Errorf("only %d tables were compared", compared)
	}
}

// documented is a cluster of two nodes with the DNs that the documents ask for.
func documented(t *testing.T) func(args ...string) (int, string, string) {
	a, _ := launchNode(t, node.Config{Name: "sip1", Site: "dc1", Realm: "example.org", Bootstrap: true})
	dir := t.TempDir()
	do := asAdmin(t, filepath.Join(dir, "contexts.yaml"))
	patience.Until(t, "the first administrator is let in", func() bool {
		status, _, _ := do("login", "--file", filepath.Join(a.DataDir, "admin.context"))
		return status == exitDone
	})
	invite := filepath.Join(dir, "invite")
	for _, args := range [][]string{
		{"dn", "put", "1001", "--kind", "sip", "--password", "x", "--group", "demo"},
		{"dn", "put", "carrier", "--kind", "trunk", "--address", "127.0.0.77:5999"},
		{"node", "invite", "sip2", "--out", invite},
	} {
		if status, _, errs := do(args...); status != exitDone {
			t.Fatalf("%v: %s", args, errs)
		}
	}
	launchNode(t, node.Config{Name: "sip2", Site: "dc2", Join: []string{a.ClusterAddr}, InviteFile: invite})
	patience.Until(t, "sip2 is heard", func() bool {
		_, out, _ := do("status")
		return strings.Contains(out, "PEER  TO PEER")
	})
	return do
}

// hereOnly leaves out what would choose another node, or DNs that are in service.
func hereOnly(words []string) (here []string) {
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--addr", "--state", "--prefix", "--owner":
			i++
		case "--routable":
		default:
			here = append(here, words[i])
		}
	}
	return here
}

// head is the first line of a table.
var head = regexp.MustCompile(`^[A-Z]+( +[A-Z]+)+ *$`)

// differ compares each table and each JSON object of a document with what is printed now.
func differ(written, printed []string) (compared int, wrong []string) {
	for _, w := range written {
		for _, p := range printed {
			switch {
			case head.MatchString(w) && head.MatchString(p) && strings.Fields(w)[0] == strings.Fields(p)[0] && sameTable(w, p, printed):
				compared++
				if !slices.Equal(columns(w), columns(p)) {
					wrong = append(wrong, "the columns are "+p+", not "+w)
				}
			case strings.HasPrefix(w, "{") && strings.HasPrefix(p, "{"):
				compared++
				if is, want := names(p), names(w); !slices.Equal(is, want) {
					wrong = append(wrong, "the names are "+strings.Join(is, " ")+", not "+strings.Join(want, " "))
				}
			}
		}
	}
	return compared, wrong
}

// sameTable: of several tables whose first column has the same name, one is meant by the second.
func sameTable(w, p string, printed []string) bool {
	if columns(w)[1] == columns(p)[1] {
		return true
	}
	return !slices.ContainsFunc(printed, func(other string) bool {
		return other != p && head.MatchString(other) && columns(other)[0] == columns(w)[0]
	})
}

var gap = regexp.MustCompile(`  +`)

func columns(head string) []string { return gap.Split(strings.TrimSpace(head), -1) }

// names are those of a JSON object, sorted.
func names(object string) []string {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(object), &m) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}

func TestDocs_DifferencesAreFound(t *testing.T) {
	written := []string{"DN    KIND  STATE", "1001  sip   OOS", `{"dn":"1","kind":"sip"}`}
	if n, wrong := differ(written, []string{"DN  KIND  STATE", "9  sip  OOS", `{"kind":"","dn":""}`}); n != 2 || len(wrong) > 0 {
		t.Errorf("equal ones: %d compared, %q", n, wrong)
	}
	if n, wrong := differ(written, []string{"DN  KIND  USE  STATE", `{"kind":"","dn":"","use":1}`}); n != 2 || len(wrong) != 2 {
		t.Errorf("other columns and names: %d compared, %q", n, wrong)
	}
}
