package sip

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
)

// counted is what of the counts changed.
func counted(before, after answer.Stats) answer.Stats {
	rejects := maps.Clone(after.Rejects)
	for code, n := range before.Rejects {
		if rejects[code] -= n; rejects[code] == 0 {
			delete(rejects, code)
		}
	}
	out, b := reflect.ValueOf(&after).Elem(), reflect.ValueOf(before)
	for i := range out.NumField() {
		switch f := out.Field(i); f.Kind() {
		case reflect.Uint64:
			f.SetUint(f.Uint() - b.Field(i).Uint())
		case reflect.Int:
			f.SetInt(f.Int() - b.Field(i).Int())
		}
	}
	after.Rejects = rejects
	return after
}

// TestStats_EachThingIsCountedOnce, and nothing else with it. A phone that
// registers is challenged first; "a" is a gateway.
func TestStats_EachThingIsCountedOnce(t *testing.T) {
	registers := func(number string, seconds int) func(*stage, *world) {
		return func(s *stage, w *world) { s.register(s.party("e", number, "udp", w), seconds) }
	}
	script := func(text string) func(*stage, *world) { return func(s *stage, _ *world) { s.play(text) } }
	full := func(c *Config) { c.MaxCalls = 1 }
	for _, x := range []struct {
		name    string
		change  func(*Config)
		do      func(*stage, *world)
		want    answer.Stats
		rejects []int // codes
	}{
		{name: "a registration", do: registers("1001", 60), want: answer.Stats{Registrations: 1, Challenges: 1, Fast: 2, Bindings: 1}},
		{name: "another contact", do: registers("1002", 60), want: answer.Stats{Refreshes: 1, Challenges: 1, Fast: 2, Bindings: 1}},
		{name: "a contact that ends", do: func(s *stage, w *world) { registers("1002", 60)(s, w); s.until(2 * time.Minute) },
			want: answer.Stats{Refreshes: 1, Challenges: 1, Fast: 2, Expirations: 1}},
		{name: "two contacts that end with their DN", do: func(s *stage, w *world) {
			registers("1002", 600)(s, w)
			off := phoneDN("1002")
			off.Disabled = true
			w.put(off)
		}, want: answer.Stats{Refreshes: 1, Challenges: 1, Fast: 2, Expirations: 2, Bindings: -1}},
		{name: "a refresh", do: func(s *stage, _ *world) { s.register(s.parties["b"], 600) }, want: answer.Stats{Refreshes: 1, Challenges: 1, Fast: 2}},
		{name: "a contact that is taken back", do: func(s *stage, _ *world) { s.register(s.parties["b"], 0) }, want: answer.Stats{Removals: 1, Challenges: 1, Plain: 2, Bindings: -1}},
		{name: "one of two contacts that is taken back", do: func(s *stage, w *world) {
			e := s.party("e", "1002", "udp", w)
			s.register(e, 600)
			s.register(e, 0)
		}, want: answer.Stats{Refreshes: 1, Removals: 1, Challenges: 2, Fast: 2, Plain: 2}},
		{name: "a nonce of another start", do: func(s *stage, w *world) {
			e := s.party("e", "1001", "udp", w)
			r := reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@h>"}, auth: authorize(
				`Digest realm="`+testRealm+`", nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAA", algorithm=MD5, qop="auth"`, "1001", "pw1001", 1)}
			e.write(r.String())
		}, want: answer.Stats{Challenges: 1, Stale: 1, Fast: 1}},
		{name: "a connection", do: func(s *stage, w *world) { s.party("e", "1001", "tcp", w) }, want: answer.Stats{Connections: 1}},
		{name: "a newer registration elsewhere", do: func(_ *stage, w *world) {
			own, _ := w.table.Own("1002")
			c, err := w.table.Sync("n2", 1, false)
			if err == nil {
				_, err = c.Apply([]dn.Record{{Number: "1002", ClaimTime: own.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered, Since: own.Since}}, 0)
			}
			if err == nil {
				err = c.Synced(1)
			}
			if err != nil || !w.table.SetHeard("n2", true) {
				t.Fatal(err)
			}
		}, want: answer.Stats{Dropped: 1, Bindings: -1}},
		{name: "a call", do: script("0 a new INVITE, 0 b 200, 0 a ACK, 1 a BYE, 1 b 200 BYE, 2"), want: answer.Stats{Calls: 1, Plain: 3}},
		{name: "a call that the phone refuses", do: script("0 a new INVITE, 0 b 486, 0 a ACK, 2"), want: answer.Stats{Calls: 1, Plain: 2}, rejects: []int{486}},
		{name: "a call that is canceled", do: script("0 a new INVITE, 0 b 180, 1 a CANCEL, 1 b 200 CANCEL, 1 b 487, 1 a ACK, 2"), want: answer.Stats{Calls: 1, Plain: 3}, rejects: []int{487}},
		{name: "a refusal within a call", do: script("0 a new INVITE, 0 b 200, 0 a ACK, 1 a INVITE, 1 b 488, 1 a ACK, 2"), want: answer.Stats{Calls: 1, Plain: 4}, rejects: []int{488}},
		{name: "a request within a call that nobody answers", do: script("0 a new INVITE, 0 b 200, 0 a ACK, 1 a INVITE, 33 a ACK, 34"), want: answer.Stats{Calls: 1, Plain: 4}, rejects: []int{408}},
		{name: "a call to nobody", do: script("0 a new INVITE 4711, 0 a ACK, 2"), want: answer.Stats{Calls: 1, Plain: 2}, rejects: []int{404}},
		{name: "a message", do: script("0 d new MESSAGE, 0 b 200 MESSAGE, 2"), want: answer.Stats{Plain: 2}, rejects: []int{407}},
		{name: "a message to nobody", do: script("0 d new MESSAGE 4711, 2"), want: answer.Stats{Plain: 2}, rejects: []int{404, 407}},
		{name: "a message that is refused", do: script("0 d new MESSAGE, 0 b 486 MESSAGE, 2"), want: answer.Stats{Plain: 2}, rejects: []int{407, 486}},
		{name: "a call over the rate", change: func(c *Config) { c.Rate = 1 }, do: script("0 a new INVITE 4711, 0 a new INVITE 4711, 2"), want: answer.Stats{Plain: 2, Overload: 1, Calls: 1}, rejects: []int{404, 503}},
		{name: "more calls than places", change: full, do: func(s *stage, w *world) {
			s.play("0 a new INVITE, 0 b 180, 1 a new INVITE, 2")
			if res := s.heard(s.parties["a"], "answer INVITE"); word(res) != "503" || header(res, "Retry-After") != "5" {
				t.Errorf("%q", res)
			}
		}, want: answer.Stats{Calls: 1, Plain: 2, Overload: 1}, rejects: []int{503}},
		{name: "as many calls as places", change: full, do: script("0 a new INVITE, 0 b 486, 0 a ACK, 1 a new INVITE, 1 b 200, 1 a ACK, 2"), want: answer.Stats{Calls: 2, Plain: 4}, rejects: []int{486}},
		{name: "a broken message", do: func(s *stage, _ *world) {
			s.parties["a"].write(strings.Replace(reg{dn: "1001", callID: "c", cseq: 1}.String(), "CSeq: 1", "CSeq: x", 1))
		}, want: answer.Stats{Malformed: 1}, rejects: []int{400}},
	} {
		t.Run(x.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				s := newStage(t, 1, "udp", "udp", x.change)
				s.record()
				w := s.nodes[0]
				before := w.server.Stats()
				x.want.Rejects = map[int]uint64{}
				x.do(s, w)
				synctest.Wait()
				for _, code := range x.rejects {
					x.want.Rejects[code]++
				}
				if got := counted(before, w.server.Stats()); !reflect.DeepEqual(got, x.want) {
					t.Errorf("counted\n\t%+v, want\n\t%+v", got, x.want)
				}
			})
		})
	}
}
