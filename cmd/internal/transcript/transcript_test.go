package transcript

import (
	"fmt"
	"strings"
	"testing"
)

const document = "text\n```console\n$ one   # why\nfirst\n\nsecond\n\na$ two \\\n     three\n```\n```sh\nfour\n\nfive > file\n```\n```text\n$ hidden\n```\n```\nno language\n```\n```yaml\ndns: []\n```\n```yaml\nscrape_configs: []\n```\n```python\nprint()\n```\n"

func TestBlocks_CommandsWithTheirOutput(t *testing.T) {
	var got []string
	for _, b := range Blocks(document) {
		got = append(got, fmt.Sprintf("%d %s %v", b.Line, b.Language, b.Typed()))
		for _, c := range b.Commands() {
			got = append(got, fmt.Sprintf("%d %s$ %s %q", c.Line, c.Host, c.Text, c.Output))
		}
	}
	want := `2 console true
3 $ one   # why ["first" "" "second"]
8 a$ two three []
11 sh false
12 $ four []
14 $ five > file []
16 text true
19  false
22 yaml false
22 $ sipcluster apply -f - <<'END'
dns: []
END ["..."]
25 yaml false
28 python false
28 $ /usr/bin/python3 - <<'END'
print()
END ["..."]`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func TestShape_LeavesOutWhatIsOfOneRun(t *testing.T) {
	for written, printed := range map[string]string{
		"1001  sip   ● InSrv  sip1   12s   yes":                             "1001  sip  ● InSrv  sip1  3m2s  yes",
		"sip1  ○ cut    4s   4.09 ms      1  dead    +3 ms":                 "sip1  ○ cut  250ms  0.31 ms 12  dead  -0 ms",
		"set aside: /x/raft.set-aside-20261126T113030.722Z":                 "set aside: /x/raft.set-aside-20270101T000000Z",
		"call 9f0c34a1d2b87e56 left 9000 for 1002":                          "call 0000000000000000 left 9000 for 1002",
		"restored from cluster 7e2f763e-347d-4d30-9063-218b97d9c91d, 3 DNs": "restored from cluster 00000000-0000-0000-0000-000000000000, 1 DNs",
		"cluster.backup: 6219224 bytes, sealed":                             "cluster.backup: 1234 bytes, sealed",
		`{"since":"2026-11-22T17:03:46.796087067Z","revision":13}`:          `{"since":"2027-01-01T00:00:00Z","revision":1234}`,
		"sip1  http://127.0.0.1:7080/metrics":                               "sip1  http://127.1.2.3:40404/metrics",
		"n2  voter  31, 9s":                                                 "n2  voter  1, 250ms",
		"sip2 at dc2  up 30s  devel go1.26.8, index 1412":                   "sip2 at dc2  up 2m  0.1.0 go1.27, index 7",
	} {
		if wrong := Differs([]string{written}, []string{printed}); wrong != "" {
			t.Error(wrong)
		}
	}
	for written, printed := range map[string]string{
		"1001  ● InSrv":           "1001  ○ OOS",
		"1001  ● InSrv  sip1":     "1002  ● InSrv  sip1",
		"DN  KIND  STATE":         "DN  STATE",
		`{"dn":"1001","use":1}`:   `{"dn":"1001","use":1,"more":2}`,
		"DNs 2 created":           "DNs 2 created, 0 changed",
		"every link is up":        "every link is up ",
		"sip1  dc1  heard  -  2s": "sip1  dc1  heard  2s  2s",
	} {
		if wrong := Differs([]string{written}, []string{printed}); (wrong == "") != (written == strings.TrimSpace(printed)) {
			t.Errorf("%q and %q: %q", written, printed, wrong)
		}
	}
}

func TestDiffers_DotsStandForWhatIsLeftOut(t *testing.T) {
	is := []string{"a", "b", "c", "d"}
	for written, same := range map[string]bool{
		"a b c d": true, "...": true, "a ...": true, "... d": true, "a ... d": true, "a ... c ... d": true, "... a b c d ...": true,
		"": false, "a": false, "a b d": false, "... c": false, "a ... d d": false, "a b c d e": false, "a ... e": false,
	} {
		if wrong := Differs(strings.Fields(written), is); (wrong == "") != same {
			t.Errorf("%q: %s", written, wrong)
		}
	}
	if Lacks(strings.Fields("c ... a"), is) != "" || Lacks(strings.Fields("c x"), is) == "" {
		t.Error("in whatever order")
	}
	if Differs([]string{"a b ..."}, []string{"a b c"}) != "" || Differs([]string{"a c ..."}, []string{"a b c"}) == "" || Differs(nil, nil) != "" || Differs(nil, is) == "" {
		t.Error("the rest of a line, or nothing")
	}
}
