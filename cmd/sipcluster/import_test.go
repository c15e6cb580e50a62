package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

// A file of another system is read by a mapping; a plan says what it would do and does
// nothing; what the file has no more goes when that is asked for.
func TestImport_PlansAndPrunes(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	dir := t.TempDir()
	by := filepath.Join(dir, "map.yaml")
	if err := os.WriteFile(by, []byte("columns: {dn: Extension, kind: Type, password: Secret, groups: Team}\nvalues: {kind: {Agent: sip, Queue: routing-point}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	took := regexp.MustCompile(`in [0-9.µms]+`)
	does := func(file string, more ...string) string {
		t.Helper()
		return took.ReplaceAllString(o.does("Floor,Extension,Type,Secret,Team\n"+file, append([]string{"dn", "import", "-", "--map", by}, more...)...), "in T")
	}
	clienttest.Same(t, does("1,1001,Agent,s1,sales\n1,1002,Agent,s2,sales\n1,1004,Agent,s4,sales\n1,9000,Queue,,\n"), "4 DNs imported, 1 groups created, in T\n")
	o.does("", "dn", "put", "+49", "--kind", "pstn", "--external", "+4930123456")
	exported := func() string {
		_, text, _ := strings.Cut(o.does("", "export"), "\noptions:") // behind when and by whom
		return text
	}
	before := exported()

	next := "1,1003,Agent,s3,west;sales\n2,9001,Queue,,\n1,1001,Agent,s1,sales;west\n1,1004,Agent,s4,sales\n"
	plan := "create group west\ncreate DN 1003\ncreate DN 9001\nchange DN 1001: groups\ndelete DN 1002\ndelete DN 9000\n"
	counts := "groups 1 created, 0 changed, 0 unchanged; DNs 2 created, 1 changed, 1 unchanged, 2 deleted"
	clienttest.Same(t, does(next, "--plan", "--prune"), plan+"would be: "+counts+"\n")
	clienttest.Same(t, exported(), before)
	clienttest.Same(t, does(next, "--plan"), strings.Replace(plan, "delete DN 1002\ndelete DN 9000\n", "", 1)+"would be: "+strings.Replace(counts, ", 2 deleted", "", 1)+"\n")
	clienttest.Same(t, does(next, "--prune"), plan+counts+", in T\n")
	clienttest.Same(t, does(next, "--prune"), "unchanged\n")
	clienttest.Same(t, does(strings.Replace(next, "s1", "other", 1), "--plan"), "change DN 1001: password\nwould be: DNs 0 created, 1 changed, 3 unchanged\n")
	if after := exported(); strings.Contains(after, "1002") || !strings.Contains(after, "1003") || !strings.Contains(after, "+4930123456") {
		t.Error(after) // a telephone is of no kind that the file has
	}

	for file, want := range map[string]string{
		"":                     "dn import -: --prune: the file has no DNs: it would delete all",
		"1,1001,Phone,s,\n":    `dn import -: row 2: DN 1001: kind "Phone": want sip, pstn, routing-point, trunk or feature; nothing was imported`,
		"1,1001,Agent,s,a b\n": `dn import -: row 2: group "a b": want 1 to 64 characters of A-Z a-z 0-9 . - _; nothing was imported`,
	} {
		for _, how := range []string{"--prune", "--prune=true --plan"} {
			o.fails("Floor,Extension,Type,Secret,Team\n"+file, want, append([]string{"dn", "import", "-", "--map", by}, strings.Fields(how)...)...)
		}
	}
	many := strings.Builder{}
	for i := range 10_020 { // more than one message may have
		fmt.Fprintf(&many, "1,%d,Agent,s,sales\n", 20_000+i)
	}
	does(many.String())
	if got := does(next, "--prune"); !strings.HasSuffix(got, "10020 deleted, in T\n") {
		t.Errorf("of many DNs that the file doesn't have: %.200q", got)
	}
	o.fails("a,b\n", "dn import: --map open "+by+"x: no such file or directory", "dn", "import", "-", "--map", by+"x")
	if after := exported(); !strings.Contains(after, "1003") {
		t.Error(after)
	}
}
