package dn

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sipcluster/sipcluster/api/configpb"
)

const firstRow = "dn,kind,password,external,groups\n"

func readCSV(in io.Reader) ([]string, error) {
	r, err := newCSVReader(in, mapping{})
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
		rows = append(rows, fmt.Sprintf("%s %s %q %q %q", row.dn.Number, row.dn.Kind.Word(), row.password, row.dn.External, row.dn.Groups)+outboundOf(row.dn))
	}
}

func outboundOf(d *configpb.DN) string {
	if d.Outbound == nil {
		return ""
	}
	return " " + d.Outbound.Text()
}

func TestCSV_GoodFiles(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain":          {firstRow + "1001,sip,secret,,sales;support\n2001,pstn,,+15551234567,\n3000,routing-point,,,\n", `[1001 sip "secret" "" ["sales" "support"] 2001 pstn "" "+15551234567" [] 3000 routing-point "" "" []]`},
		"spreadsheet":    {"\ufeff" + strings.ReplaceAll(firstRow+"1001,sip,secret,,\n", "\n", "\r\n"), `[1001 sip "secret" "" []]`},
		"quotes":         {firstRow + "\"1001\",sip,\"a,\"\"b\",,\"sales; support\"\n", `[1001 sip "a,\"b" "" ["sales" "support"]]`},
		"blank lines":    {firstRow + "\n1001,sip,s,,\n\n\n", `[1001 sip "s" "" []]`},
		"no end of line": {firstRow + "1001,sip,s,,", `[1001 sip "s" "" []]`},
		"no rows":        {firstRow, `[]`},
		"where to": {
			strings.TrimSuffix(firstRow, "\n") + ",outbound\n1001,sip,s,,,internal\n1002,sip,s,,,\n1003,sip,s,,,+49;00\n",
			`[1001 sip "s" "" [] internal 1002 sip "s" "" [] 1003 sip "s" "" [] +49,00]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readCSV(iotest.OneByteReader(strings.NewReader(tc.in)))
			if err != nil || fmt.Sprint(got) != tc.want {
				t.Errorf("got %v, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestCSV_BadRowsAreNamed(t *testing.T) {
	good := firstRow + "1001,sip,s,,\n"
	for name, tc := range map[string]struct{ in, want string }{
		"empty":          {"", "row 1: the file is empty: want the header dn,kind,password,external,groups, perhaps with ,outbound"},
		"header":         {"number,kind\n", "row 1: want the header dn,kind,password,external,groups, perhaps with ,outbound; what another one means says --map"},
		"where to":       {strings.TrimSuffix(firstRow, "\n") + ",outbound\n1001,sip,s,,,home\n", `row 2: DN 1001: outbound "home": want all, none, internal, or first digits of numbers as +49,00`},
		"of a point":     {strings.TrimSuffix(firstRow, "\n") + ",outbound\n1001,routing-point,,,,none\n", "row 2: DN 1001: kind routing-point makes no calls: leave outbound empty"},
		"fields":         {good + "1002,sip,s,\n", "row 3: 4 fields, want 5: dn,kind,password,external,groups"},
		"number":         {good + "10 02,sip,s,,\n", `row 3: "10 02" is not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * #`},
		"no number":      {good + ",sip,s,,\n", `row 3: "" is not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * #`},
		"kind":           {good + "1002,fax,s,,\n", `row 3: DN 1002: kind "fax": want sip, pstn, routing-point, trunk or feature`},
		"twice":          {good + "1001,sip,s,,\n", "row 3: DN 1001 is in row 2 already"},
		"no password":    {good + "1002,sip,,,\n", "row 3: DN 1002: kind sip needs a password"},
		"no external":    {good + "1002,pstn,,,\n", "row 3: DN 1002: kind pstn needs an external number, as +15551234567"},
		"pstn password":  {good + "1002,pstn,s,+1,\n", "row 3: DN 1002: kind pstn takes no password: leave the column empty"},
		"sip external":   {good + "1002,sip,s,+1,\n", "row 3: DN 1002: kind sip takes no external number: leave the column empty"},
		"trunk":          {good + "1002,trunk,,,\n", "row 3: DN 1002: a trunk needs an address, for which CSV has no column: use dn put or apply -f"},
		"empty group":    {good + "1002,sip,s,,a;;b\n", "row 3: DN 1002: a group name is empty: want names separated by ;"},
		"open quote":     {good + "1002,sip,\"s,,\n1003,sip,s,,\n", "row 3: a quote is not closed"},
		"behind a blank": {good + "\n1002,fax,s,,\n", `row 4: DN 1002: kind "fax": want sip, pstn, routing-point, trunk or feature`},
		"endless":        {good + strings.Repeat("x", maxCSVLine+1), "row 3: the row is longer than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readCSV(strings.NewReader(tc.in))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if !errors.As(err, new(rowError)) {
				t.Errorf("%T is no rowError", err)
			}
		})
	}
}

func FuzzCSV(f *testing.F) {
	f.Add(firstRow + "1001,sip,s,,a;b\n")
	f.Add("\ufeff" + firstRow + "\"1\",sip,\"s\"\"\",,\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		if _, err := readCSV(strings.NewReader(in)); err != nil && !errors.As(err, new(rowError)) {
			t.Errorf("an error without row: %v", err)
		}
	})
}

func TestCSV_RowsAreBounded(t *testing.T) {
	if maxImport != 1_000_000 {
		t.Error("another limit than the node's")
	}
	for most, want := range map[int]string{2: "", 1: "row 3: more than 1 DNs: split the file"} {
		r, err := newCSVReader(strings.NewReader(firstRow+"1,sip,s,,\n2,sip,s,,\n"), mapping{})
		if err != nil || r.most != maxImport {
			t.Fatal(err, r.most)
		}
		r.most = most
		_, err = r.next()
		if err == nil {
			_, err = r.next()
		}
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("at most %d: %v", most, err)
		}
	}
	line := "1,sip," + strings.Repeat("p", maxCSVLine-len("1,sip,,,\n")) + ",,\n"
	if _, err := readCSV(strings.NewReader(firstRow + line)); err == nil || !strings.Contains(err.Error(), "password is longer than 1024") {
		t.Errorf("the longest row: %v", err)
	}
	if _, err := readCSV(strings.NewReader(firstRow + "x" + line)); err == nil || !strings.Contains(err.Error(), "longer than 16384") {
		t.Errorf("a longer one: %v", err)
	}
}
