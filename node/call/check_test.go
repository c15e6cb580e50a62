package call

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/node/dn"
)

// pairs is user data of n pairs, whose keys have k bytes and values v.
func pairs(n, k, v int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("%0*d", k, i)] = strings.Repeat("v", v)
	}
	return m
}

func TestCheckUserData_AtItsLimits(t *testing.T) {
	for _, c := range []struct {
		what string
		data map[string]string
		want string
	}{
		{"none", nil, ""},
		{"as many pairs as may be", pairs(MaxUserData, 3, 0), ""},
		{"one pair too many", pairs(MaxUserData+1, 3, 0), "user data has 129 pairs: at most 128"},
		{"the longest key", pairs(1, MaxKey, 1), ""},
		{"a key too long", pairs(1, MaxKey+1, 1), "want a key of 1 to 128 bytes, and UTF-8"},
		{"no key", map[string]string{"": "v"}, "want a key"},
		{"a key that is no text", map[string]string{"k\xff": "v"}, "and UTF-8"},
		{"a value that is no text", map[string]string{"k": "v\xff"}, "and UTF-8"},
		{"as many bytes as may be", pairs(2, 8, MaxUserDataBytes/2-8), ""},
		{"one byte too many", maps.Collect(func(yield func(string, string) bool) {
			_ = yield("k", strings.Repeat("v", MaxUserDataBytes/2)) && yield("l", strings.Repeat("v", MaxUserDataBytes/2-1))
		}), "user data has 16385 bytes: at most 16384"},
	} {
		got := "<nil>"
		if err := CheckUserData(c.data); err != nil {
			got = err.Error()
		}
		if c.want == "" && got != "<nil>" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.what, got, c.want)
		}
	}
}

func TestBegin_MakesNumbersFitToBeShown(t *testing.T) {
	for in, want := range map[string]string{
		"+49 30":                         "+49 30",
		"a\u0085b\tc\x7f":                "abc",
		"a\xffb\ufffd":                   "ab",
		strings.Repeat("x", 128):         strings.Repeat("x", 128),
		strings.Repeat("x", 129):         strings.Repeat("x", 128),
		"x" + strings.Repeat("é", 64):    "x" + strings.Repeat("é", 63),
		strings.Repeat("\n", 511) + "ab": "a", // what is behind 4 times the limit is not looked at
	} {
		tab := newTable("a")
		id, err := tab.Begin(Info{Caller: "1", ANI: in, DNIS: in})
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := tab.Get(id); c.ANI != want || c.DNIS != want || !utf8.ValidString(c.ANI) {
			t.Errorf("%q: ANI %q and DNIS %q, want %q", in, c.ANI, c.DNIS, want)
		}
	}
}

// peerOf is a table that a peer p feeds.
func peerOf(t testing.TB) (*Table, *Copy) {
	t.Helper()
	tab := newTable("a")
	c, err := tab.Sync("p", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	return tab, c
}

func TestCopy_JudgesEachFieldOfAnEvent(t *testing.T) {
	info := func(f func(*Info)) func(*Event) {
		return func(e *Event) { i := *e.Info; f(&i); e.Info = &i }
	}
	for what, c := range map[string]struct {
		change func(*Event)
		taken  bool
	}{
		"as it should be":       {func(*Event) {}, true},
		"established at once":   {func(e *Event) { e.Kind = Established }, true},
		"told at one node only": {func(e *Event) { e.Kind = Local }, false},
		"a kind too high":       {func(e *Event) { e.Kind = Chosen + 1 }, false},
		"held by who rings":     {func(e *Event) { e.Kind = Held }, false},
		"a role too high":       {func(e *Event) { e.Role = roles }, false},
		"an ID too short":       {func(e *Event) { e.Call = "00000000000000b" }, false},
		"an ID too long":        {func(e *Event) { e.Call = "00000000000000bbb" }, false},
		"an ID beyond f":        {func(e *Event) { e.Call = "00000000000000bg" }, false},
		"an ID before 0":        {func(e *Event) { e.Call = "00000000000000b/" }, false},
		"an ID behind 9":        {func(e *Event) { e.Call = "00000000000000b:" }, false},
		"an ID before a":        {func(e *Event) { e.Call = "00000000000000b`" }, false},
		"an ID of all edges":    {func(e *Event) { e.Call = "09af09af09af09af" }, true},
		"at no time":            {func(e *Event) { e.Time = 0 }, false},
		"at the first time":     {func(e *Event) { e.Time = 1 }, true},
		"at the last time":      {func(e *Event) { e.Time = maxTime }, true},
		"behind the last time":  {func(e *Event) { e.Time = maxTime + 1 }, false},
		"the greatest cause":    {func(e *Event) { e.Cause = 699 }, true},
		"a cause too great":     {func(e *Event) { e.Cause = 700 }, false},
		"a cause below 0":       {func(e *Event) { e.Cause = -1 }, false},
		"a DN that is none":     {func(e *Event) { e.ThisDN = "a b" }, false},
		"not fit to be shown":   {func(e *Event) { e.OtherDN = "\x01" }, false},
		"the longest number":    {func(e *Event) { e.OtherDN = strings.Repeat("x", MaxNumber) }, true},
		"a number too long":     {func(e *Event) { e.OtherDN = strings.Repeat("x", MaxNumber+1) }, false},
		"nothing known of it":   {func(e *Event) { e.Info = nil }, false},
		"the last type":         {info(func(i *Info) { i.Type = Consult }), true},
		"a type too high":       {info(func(i *Info) { i.Type = types }), false},
		"it never began":        {info(func(i *Info) { i.Began = 0 }), false},
		"it began too late":     {info(func(i *Info) { i.Began = maxTime + 1 }), false},
		"an ANI not fit":        {info(func(i *Info) { i.ANI = "\n" }), false},
		"a DNIS not fit":        {info(func(i *Info) { i.DNIS = "\n" }), false},
		"no caller":             {info(func(i *Info) { i.Caller = "" }), false},
		"user data without key": {info(func(i *Info) { i.UserData = map[string]string{"": ""} }), false},
	} {
		tab, cp := peerOf(t)
		e := Event{Kind: Ringing, Call: "00000000000000bb", ThisDN: "5", Role: Called, OtherDN: "1", Time: 9, Info: &Info{Caller: "1", Type: Inbound, Began: 3, ANI: "1", DNIS: "5"}}
		c.change(&e)
		n, err := cp.Apply([]*Event{&e}, 2)
		if taken := n == 0; taken != c.taken || err != nil {
			t.Errorf("%s: taken %v, %v", what, taken, err)
		}
		want := Counts{Refused: 1}
		if c.taken {
			want = Counts{Up: 1}
		}
		if got := tab.Counts(); got != want || len(tab.calls) != want.Up {
			t.Errorf("%s: %+v and %d calls, want %+v", what, got, len(tab.calls), want)
		}
	}
}

func TestCopy_JudgesEachFieldOfARow(t *testing.T) {
	full := func(n int) func(*Call) {
		return func(c *Call) {
			for i := len(c.Parties); i < n; i++ {
				c.Parties = append(c.Parties, Party{DN: dn.Number(fmt.Sprint(100 + i)), Role: Called, State: StateRinging, Since: 1})
			}
		}
	}
	for what, c := range map[string]struct {
		change func(*Call)
		taken  bool
	}{
		"as it should be":          {func(*Call) {}, true},
		"a caller alone":           {func(c *Call) { c.Parties = c.Parties[:1] }, true},
		"nobody":                   {func(c *Call) { c.Parties = nil }, false},
		"as many as may be":        {full(MaxParties), true},
		"one too many":             {full(MaxParties + 1), false},
		"an ID that is none":       {func(c *Call) { c.ID = "x" }, false},
		"nothing known":            {func(c *Call) { c.Info = nil }, false},
		"a type that is none":      {func(c *Call) { c.Info = &Info{Caller: "1", Began: 1, Type: types} }, false},
		"another caller":           {func(c *Call) { c.Parties[0].DN = "7" }, false},
		"a caller that rings":      {func(c *Call) { c.Parties[0].State = StateRinging }, false},
		"a caller that talks":      {func(c *Call) { c.Parties[0].State = StateEstablished }, true},
		"a caller that is called":  {func(c *Call) { c.Parties[0].Role = Called }, false},
		"a called one that dials":  {func(c *Call) { c.Parties[1].State = StateDialing }, false},
		"a called one that talks":  {func(c *Call) { c.Parties[1].State = StateEstablished }, true},
		"one that holds it":        {func(c *Call) { c.Parties[1].State, c.Parties[1].HeldSince = StateEstablished, 3 }, true},
		"one that rings holds it":  {func(c *Call) { c.Parties[1].HeldSince = 3 }, false},
		"held before all time":     {func(c *Call) { c.Parties[1].State, c.Parties[1].HeldSince = StateEstablished, -1 }, false},
		"a state that is none":     {func(c *Call) { c.Parties[1].State = states }, false},
		"two callers":              {func(c *Call) { c.Parties[1] = Party{DN: "2", Role: Caller, State: StateEstablished, Since: 2} }, false},
		"a party twice":            {func(c *Call) { c.Parties = append(c.Parties, c.Parties[1]) }, false},
		"who called rings too":     {func(c *Call) { c.Parties[1].DN = "1" }, true},
		"a called DN that is none": {func(c *Call) { c.Parties[1].DN = "" }, false},
		"since no time":            {func(c *Call) { c.Parties[1].Since = 0 }, false},
		"a number not fit":         {func(c *Call) { c.Parties[1].Other = "\n" }, false},
	} {
		tab, cp := peerOf(t)
		row := newCall("00000000000000aa", "x", &Info{Caller: "1", Began: 1, DNIS: "2"})
		row.Parties = append(row.Parties, Party{DN: "2", Role: Called, State: StateRinging, Since: 2})
		c.change(row)
		n, err := cp.Snapshot([]*Call{row})
		if taken := n == 0; taken != c.taken || err != nil {
			t.Errorf("%s: taken %v, %v", what, taken, err)
		}
		if got := tab.Counts(); (got.Up == 1) != (c.taken && len(row.Parties) > 1) || got.Refused != uint64(n) {
			t.Errorf("%s: %+v", what, got)
		}
		if got, ok := tab.Get(row.ID); c.taken && (!ok || got.Node != "p") {
			t.Errorf("%s: it is of node %q", what, got.Node)
		}
	}
}

// TestTable_PartiesOfACall: which event fits at which state of a party.
func TestTable_PartiesOfACall(t *testing.T) {
	const other = "outside"
	do := map[string]func(*Table, ID) bool{
		"ring":    func(t *Table, id ID) bool { return t.Ringing(id, "2", "") },
		"answer":  func(t *Table, id ID) bool { return t.Established(id, "2") },
		other:     func(t *Table, id ID) bool { return t.Established(id, "") },
		"leave":   func(t *Table, id ID) bool { return t.Released(id, "2", 0) },
		"abandon": func(t *Table, id ID) bool { return t.Abandoned(id, "2") },
	}
	for steps, want := range map[string]string{
		"ring ring":              "yes no",
		"ring answer answer":     "yes yes no",
		"answer ring":            "yes no",
		"ring abandon abandon":   "yes yes no",
		"answer abandon":         "yes no",
		"leave":                  "no",
		"ring leave ring":        "yes yes yes",
		"answer leave leave":     "yes yes no",
		"outside outside answer": "yes no yes",
		"answer outside":         "yes no",
	} {
		tab := newTable("a")
		id := begin(t, tab, "1")
		var got []string
		for _, s := range strings.Fields(steps) {
			if do[s](tab, id) {
				got = append(got, "yes")
			} else {
				got = append(got, "no")
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", steps, got, want)
		}
	}
}

func TestTable_ACallRingsAtSoManyAtATime(t *testing.T) {
	tab := newTable("a")
	id := begin(t, tab, "1")
	for i := range MaxParties {
		if got := tab.Ringing(id, dn.Number(fmt.Sprint(100+i)), ""); got != (i < MaxParties-1) {
			t.Errorf("DN %d: %v", i, got)
		}
	}
	if tab.Released(id, "100", 486); !tab.Ringing(id, "200", "") {
		t.Error("a place that was given up is not free")
	}
}

func TestTable_CausesAreStatusCodes(t *testing.T) {
	for give, want := range map[int]int{-1: 0, 0: 0, 486: 486, 699: 699, 700: 699} {
		tab := newTable("a")
		w := tab.Tail()
		id := begin(t, tab, "1")
		tab.Ringing(id, "2", "")
		tab.Released(id, "2", give)
		tab.End(id, give, false)
		expect(t, told(w), "ringing 2 +4930 0", fmt.Sprint("released 2 +4930 ", want), fmt.Sprint("released 1 9000 ", want))
	}
}
