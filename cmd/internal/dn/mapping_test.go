package dn

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

// others is the mapping of a file as somebody else's telephone system writes it.
const others = `columns: {dn: Extension, kind: Type, password: Secret, ha1: Hash, groups: Teams, outbound: Class}
values:
  kind: {Agent: sip, Queue: routing-point}
  outbound: {"3": internal}
defaults: {kind: sip, groups: everybody}
separator: ";"
group_separator: "|"
`

func mapped(t *testing.T, by, file string) ([]string, error) {
	t.Helper()
	m, err := readMapping(strings.NewReader(by))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newCSVReader(strings.NewReader(file), m)
	if err != nil {
		return nil, err
	}
	var rows []string
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, fmt.Sprintf("%s %s %q %.8q %q", row.dn.Number, row.dn.Kind.Word(), row.password, row.ha1, row.dn.Groups)+outboundOf(row.dn))
	}
}

func TestMapping_ReadsAnotherHeader(t *testing.T) {
	md5, sha := strings.Repeat("0A", 16), strings.Repeat("1b", 32)
	rows, err := mapped(t, others, "\ufeffName; Extension ;Type;Secret;Hash;Teams;Class;Floor\r\n"+
		"Ada;1001;Agent; s p ;;sales | support;3;2\r\n"+
		"\"Bob; the other\";1002;;;"+md5+";;;\r\n"+
		"Q;9000;Queue;;;sales;;\r\n"+
		"Eve;1003;sip;;"+sha+";x;none;")
	if err != nil {
		t.Fatal(err)
	}
	clienttest.Same(t, strings.Join(rows, "\n"), `1001 sip " s p " "" ["sales" "support"] internal
1002 sip "" "0a0a0a0a" ["everybody"]
9000 routing-point "" "" ["sales"]
1003 sip "" "1b1b1b1b" ["x"] none`)
}

func TestMapping_BadFiles(t *testing.T) {
	header := "Extension;Type;Secret;Hash;Teams;Class\n"
	for name, c := range map[string]struct{ file, want string }{
		"empty":          {"", "row 1: the file is empty: want the header with Extension, Type, Secret, Teams, Class, Hash"},
		"columns":        {"Extension;Secret;Teams\n", `row 1: no column "Type" (kind), "Class" (outbound), "Hash" (ha1); the file has Extension;Secret;Teams`},
		"twice":          {"Extension;Type;Secret;Hash;Teams;Class;Type\n", `row 1: the column "Type" is there twice`},
		"fields":         {header + "1001;sip\n", "row 2: 2 fields, want 6: Extension;Type;Secret;Hash;Teams;Class"},
		"unknown kind":   {header + "1001;Phone;s;;;\n", `row 2: DN 1001: kind "Phone": want sip, pstn, routing-point, trunk or feature`},
		"both":           {header + "1001;sip;s;" + strings.Repeat("0", 32) + ";;\n", "row 2: DN 1001: has both a password and an ha1: want one"},
		"no ha1":         {header + "1001;sip;;abc;;\n", "row 2: DN 1001: an ha1 has 32 (MD5) or 64 (SHA-256) hexadecimal digits, this one has 3 characters"},
		"ha1 of a queue": {header + "9000;Queue;;" + strings.Repeat("0", 32) + ";;\n", "row 2: DN 9000: kind routing-point takes no password: leave the column empty"},
		"group":          {header + "1001;sip;s;;a||b;\n", "row 2: DN 1001: a group name is empty: want names separated by |"},
	} {
		if _, err := mapped(t, others, c.file); err == nil || err.Error() != c.want {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.want)
		}
	}
}

func TestMapping_IsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "columns: dn is missing: the name of the column that has the numbers",
		"columns: {dn: A}":                  "kind is missing: name its column, or the kind of all in defaults",
		"columns: {dn: A, colour: B}":       `columns: there is no field "colour": dn, kind, password, external, groups, outbound, ha1`,
		"columns: {dn: A, kind: B}\nsep: x": "line 2: unknown key sep",
		"columns: {dn: A, kind: B}\nvalues: {colour: {}}": `values: there is no field "colour": dn, kind, password, external, groups, outbound, ha1`,
		"columns: {dn: A, kind: B}\nseparator: '||'":      `separator "||": want one character, and no quote`,
		"columns: {dn: A, kind: B}\nseparator: '\"'":      `separator "\"": want one character, and no quote`,
		"columns: [dn]":                           "line 1: a seq does not fit here",
		strings.Repeat("#", maxMapping+1):         "the mapping is larger than 1048576 bytes",
		"columns: {dn: A}\ndefaults: {kind: sip}": "",
	} {
		if _, err := readMapping(strings.NewReader(text)); fmt.Sprint(err) != want && (want != "" || err != nil) {
			t.Errorf("%.40q: got  %v\nwant %s", text, err, want)
		}
	}
}

func FuzzMapping(f *testing.F) {
	f.Add(others, "Extension;Type;Secret;Hash;Teams;Class\n1001;Agent;s;;a|b;3\n")
	f.Fuzz(func(t *testing.T, by, file string) {
		m, err := readMapping(strings.NewReader(by))
		if err != nil {
			return
		}
		r, err := newCSVReader(strings.NewReader(file), m)
		for err == nil {
			_, err = r.next()
			var bad rowError
			if errors.As(err, &bad) && !bad.fatal {
				err = nil
			}
		}
	})
}
