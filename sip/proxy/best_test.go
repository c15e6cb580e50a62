package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

func parsed(t *testing.T, lines ...string) *message.Message {
	t.Helper()
	m := &message.Message{}
	if err := m.Parse([]byte(strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	return m
}

// TestVerdict_CollectsAllChallenges (RFC 3261 §16.7 step 7), of phones and of
// proxies before them, and none twice.
func TestVerdict_CollectsAllChallenges(t *testing.T) {
	of := func(code int, lines ...string) result {
		return result{code: code, res: parsed(t, append([]string{"SIP/2.0 401 X", "Via: SIP/2.0/UDP h;branch=z9hG4bKa", "From: <sip:a@b>;tag=1", "To: <sip:a@b>;tag=2",
			"Call-ID: c", "CSeq: 1 INVITE"}, lines...)...)}
	}
	out := verdict([]result{
		of(407, "Proxy-Authenticate: Digest realm=\"first\""), of(401, "WWW-Authenticate: Digest realm=\"second\""),
		of(407, "Proxy-Authenticate: Digest realm=\"third\"", "proxy-authenticate: Digest realm=\"fourth\""), of(486, "WWW-Authenticate: Digest realm=\"none\""),
	}, nil)
	const want = "WWW-Authenticate: Digest realm=\"second\"\r\nProxy-Authenticate: Digest realm=\"third\"\r\nproxy-authenticate: Digest realm=\"fourth\"\r\n"
	if out.Code != 407 || string(out.challenges) != want {
		t.Errorf("%d with\n%s", out.Code, out.challenges)
	}
}

// TestVerdict_ACallThatReachedSomebodyIsNotTriedElsewhere, whichever phone it was.
func TestVerdict_ACallThatReachedSomebodyIsNotTriedElsewhere(t *testing.T) {
	lost, silent := result{code: 503, retry: true}, result{code: 408, retry: true}
	busy, rang := result{code: 486}, result{code: 408}
	for _, c := range []struct {
		results []result
		retry   bool
	}{
		{[]result{lost}, true}, {[]result{busy}, false}, {[]result{lost, silent}, true},
		{[]result{busy, lost}, false}, {[]result{lost, busy}, false}, {[]result{rang, silent}, false},
		{[]result{silent, rang, lost}, false}, {[]result{lost, silent, lost}, true},
	} {
		if out := verdict(c.results, nil); out.Retry != c.retry {
			t.Errorf("%+v: retry %v", c.results, out.Retry)
		}
	}
}

func TestVerdict(t *testing.T) {
	res, timedOut := &message.Message{}, failed(408, "")
	r := func(codes ...int) (list []result) {
		for _, c := range codes {
			list = append(list, result{code: c, res: res})
		}
		return list
	}
	for name, c := range map[string]struct {
		results []result
		stopped *Outcome
		code    int
		retry   bool
	}{
		"one":                       {results: r(486), code: 486},
		"6xx before all":            {results: r(302, 401, 603), code: 603},
		"600 too":                   {results: r(302, 600), code: 600},
		"how to authenticate":       {results: r(404, 407, 486), code: 407},
		"the lowest class":          {results: r(500, 486, 302), code: 302},
		"503 is not the caller's":   {results: r(503), code: 500},
		"503 of a trunk is":         {results: []result{{code: 503, res: res, ours: true, retry: true}}, code: 503, retry: true},
		"503 after everything":      {results: r(503, 504), code: 504},
		"made up after what came":   {results: append(r(486), result{code: 408}), code: 486},
		"nobody was reached":        {results: []result{{code: 408, retry: true}, {code: 503, retry: true}}, code: 408, retry: true},
		"one was reached":           {results: []result{{code: 408, retry: true}, {code: 486, res: res}}, code: 486},
		"we stopped it":             {results: r(487), stopped: &timedOut, code: 408},
		"we stopped it, he refused": {results: r(487, 603), stopped: &timedOut, code: 603},
	} {
		t.Run(name, func(t *testing.T) {
			if o := verdict(c.results, c.stopped); o.Code != c.code || o.Retry != c.retry {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestVerdict_SaysHowLongAServerWantsToBeLeftAlone: who says 503, and nobody else.
func TestVerdict_SaysHowLongAServerWantsToBeLeftAlone(t *testing.T) {
	for line, want := range map[string][2]time.Duration{
		"Retry-After: 120":                        {120 * time.Second, 0},
		"retry-after:7;duration=60 (maintenance)": {7 * time.Second, 0},
		"Retry-After: soon":                       {0, 0},
		"Retry-After: 99999999999999999999":       {(1<<32 - 1) * time.Second, 0},
		"Subject: 5":                              {0, 0},
	} {
		for i, code := range []int{503, 486} {
			res := parsed(t, "SIP/2.0 503 X", "Via: SIP/2.0/UDP h;branch=z9hG4bKa", "From: <sip:a@b>;tag=1", "To: <sip:a@b>;tag=2", "Call-ID: c", "CSeq: 1 INVITE", line)
			if out := verdict([]result{{code: code, res: res}}, nil); out.RetryAfter != want[i] {
				t.Errorf("%d, %s: %v, want %v", code, line, out.RetryAfter, want[i])
			}
		}
	}
}

// TestGroups_APhoneRingsOnce: of its flows one is called, one that answers if there is one;
// phones without flows, and what is no phone, ring as they are.
func TestGroups_APhoneRingsOnce(t *testing.T) {
	flow := func(phone, id string, dead bool) leg {
		return leg{q: 1000, phone: &location.Binding{Contact: phone + id, Params: `;+sip.instance="<` + phone + `>";reg-id=` + id, Unresponsive: dead}}
	}
	bare := leg{q: 1000, phone: &location.Binding{Contact: "bare", Params: `;+sip.instance="<a>"`}}
	for name, c := range map[string]struct {
		legs []leg
		want string
	}{
		"two flows of one":       {[]leg{flow("a", "1", false), flow("a", "2", false)}, "a1|a2"},
		"of either case":         {[]leg{flow("a", "1", false), flow("A", "2", false)}, "a1|A2"},
		"two phones":             {[]leg{flow("a", "1", false), flow("b", "1", false)}, "a1 b1"},
		"two flows of two":       {[]leg{flow("a", "1", false), flow("b", "1", false), flow("a", "2", false), flow("b", "2", false)}, "a1 b1|a2 b2"},
		"the first is dead":      {[]leg{flow("a", "1", true), flow("b", "1", false), flow("a", "2", false)}, "a2 b1|a1"},
		"both are dead":          {[]leg{flow("a", "1", true), flow("a", "2", true)}, "a1|a2"},
		"a binding that is none": {[]leg{flow("a", "1", false), bare, bare}, "a1 bare bare"},
		"no phones":              {[]leg{{q: 1000}, {q: 1000}}, "- -"},
	} {
		var groupsOf []string
		for _, g := range groups(c.legs) {
			var one []string
			for _, l := range g {
				if l.phone == nil {
					one = append(one, "-")
				} else {
					one = append(one, l.phone.Contact)
				}
			}
			groupsOf = append(groupsOf, strings.Join(one, " "))
		}
		if got := strings.Join(groupsOf, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestGroups_RingTogetherByQ(t *testing.T) {
	var got [][]int
	for _, g := range groups([]leg{{q: 100}, {q: 1000}, {q: 100}, {q: 500}}) {
		var qs []int
		for _, l := range g {
			qs = append(qs, l.q)
		}
		got = append(got, qs)
	}
	if len(got) != 3 || got[0][0] != 1000 || got[1][0] != 500 || len(got[2]) != 2 {
		t.Error(got)
	}
}
