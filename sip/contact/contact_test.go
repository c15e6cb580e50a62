package contact

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

func open(t *testing.T, dir string) *location.Store {
	s, err := location.Open(location.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(s *location.Store, n dn.Number, contacts ...string) {
	e := &location.Entry{Record: dn.Record{Number: n, State: dn.InSrv, ClaimTime: 1}}
	for _, c := range contacts {
		e.Bindings = append(e.Bindings, location.Binding{Contact: c, CallID: "c", Expires: time.Now().Add(time.Hour)})
	}
	s.Put(e)
}

func TestOwner_OfAContact(t *testing.T) {
	s := open(t, t.TempDir())
	for n, contacts := range map[dn.Number][]string{
		"1001": {"sip:k3x@a1.invalid;transport=ws"},
		"1002": {"sip:1002-0x7f@10.0.0.2:5062", "sip:1002@10.0.0.3"},
		"1003": {"sip:one@10.0.0.4:5060"},
		"1004": {"sip:two@10.0.0.4:5060"},
	} {
		put(s, n, contacts...)
	}
	for uri, want := range map[string]dn.Number{
		"sip:k3x@A1.invalid;transport=ws":    "1001",
		"sip:k3x@a1.invalid;transport=ws;ob": "1001",
		"sip:k3x@a1.invalid":                 "1001",
		"sip:other@a1.invalid":               "1001",
		"sip:1002-0x7f@10.0.0.2:5062":        "1002",
		"sip:1002-0x7f@10.0.0.2":             "",
		"sip:1002-0x7f@10.0.0.2:506":         "",
		"sip:1002@10.0.0.3;transport=tcp":    "1002",
		"sip:one@10.0.0.4:5060":              "1003",
		"sip:two@10.0.0.4:5060;x=y":          "1004",
		"sip:three@10.0.0.4:5060":            "", // either of two
		"tel:1002":                           "",
		"1002":                               "",
	} {
		if got := Owner(s, uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// searched is Owner by a search through everything: its model.
func searched(s *location.Store, uri string) dn.Number {
	u, ok := message.ParseURI([]byte(uri))
	if !ok || !u.IsSIP() {
		return ""
	}
	var all []*location.Entry
	s.Range(func(e *location.Entry) bool { all = append(all, e); return true })
	return closest(&u, uri, all)
}

func randomContact(r *rand.Rand) string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	return pick("sip:", "sip:", "sips:", "SIP:", "tel:") + pick("", "anna@", "%61nna@", "Anna@", "bo@", "cy:pw@") +
		pick("10.0.0.1", "10.0.0.2", "pbx.example", "PBX.example", "[2001:db8::1]", "[2001:DB8::1]") +
		pick("", ":5060", ":5061") + pick("", ";transport=ws", ";line=1", ";line=2;ob", "?subject=x")
}

// Registrations begin, move, end and come back after a restart; whose a Contact is is what a
// search through all of them says.
func TestOwner_IsWhatASearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 19))
	dir := t.TempDir()
	s := open(t, dir)
	for step := range 3_000 {
		n := dn.Number(fmt.Sprint(1000 + r.IntN(12)))
		if r.IntN(3) == 0 {
			s.Delete(n)
		} else {
			contacts := make([]string, r.IntN(4))
			for i := range contacts {
				contacts[i] = randomContact(r)
			}
			put(s, n, contacts...)
		}
		if step%500 == 499 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
		}
		for range 10 {
			uri := randomContact(r)
			if got, want := Owner(s, uri), searched(s, uri); got != want {
				t.Fatalf("step %d: %s: %q, want %q", step, uri, got, want)
			}
		}
	}
}

// Whose a Contact is costs what is like it, however many registrations there are.
func TestOwner_CostsNoMoreWithManyBindings(t *testing.T) {
	filled := func(n int) *location.Store {
		s := open(t, t.TempDir())
		for i := range n {
			number := dn.Number(fmt.Sprintf("1%07d", i))
			put(s, number, fmt.Sprintf("sip:%s@10.%d.%d.%d:5060", number, i>>16&255, i>>8&255, i&255), fmt.Sprintf("sip:%s@edge.example", number))
		}
		return s
	}
	small, large := scale.Sizes()
	few, many := filled(small), filled(large)
	for uri, want := range map[string]dn.Number{
		"sip:10000009@10.0.0.9:5060": "10000009",
		"sip:other@10.0.0.9:5060":    "10000009",
		"sip:10000009@edge.example":  "10000009",
		"sip:other@edge.example":     "",
		"sip:other@nobody.example":   "",
	} {
		run := func(s *location.Store) func() {
			return func() {
				if got := Owner(s, uri); got != want {
					t.Fatalf("%s: %q, want %q", uri, got, want)
				}
			}
		}
		scale.Flat(t, uri, run(few), run(many))
	}
}
